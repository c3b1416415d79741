package sdk_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"log"
	"net"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func TestMain(m *testing.M) {
	// The bare SDK logs its logins here.
	log.SetOutput(io.Discard)
	goleak.VerifyTestMain(m)
}

// codeClusterMetadata is a command that the SDK's login sends, too.
const codeClusterMetadata = 12

// recorder is a server that answers everything with success and keeps the requests.
type recorder struct {
	address string
	frames  chan []byte
}

func record(t *testing.T) *recorder {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &recorder{address: ln.Addr().String(), frames: make(chan []byte, 100)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			r.serve(nc)
			_ = nc.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-ended
	})
	return r
}

// serve answers one connection until it ends.
func (r *recorder) serve(nc net.Conn) {
	in := bufio.NewReader(nc)
	for {
		head, err := in.Peek(wire.FrameHeaderSize)
		if err != nil {
			return
		}
		frame := make([]byte, 4+binary.LittleEndian.Uint32(head))
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		var body []byte
		switch binary.LittleEndian.Uint32(frame[4:]) {
		case wire.CodeLogin, wire.CodeTokenLogin:
			body = make([]byte, 4)
		case codeClusterMetadata:
			// Not answered in a way that the SDK could follow anywhere.
			_, _ = nc.Write([]byte{3, 0, 0, 0, 0, 0, 0, 0})
			continue
		}
		r.frames <- frame
		answer := binary.LittleEndian.AppendUint64(nil, uint64(len(body))<<32)
		if _, err := nc.Write(append(answer, body...)); err != nil {
			return
		}
	}
}

// take returns the requests since the last call.
func (r *recorder) take() []byte {
	var all []byte
	for {
		select {
		case f := <-r.frames:
			all = append(all, f...)
		default:
			return all
		}
	}
}

// request is one call, made through the bare SDK and through a transport.
type request struct {
	name string
	bare func(*tcp.IggyTcpClient) error
	ours func(context.Context, transport.Conn) error
}

// requests draws the arguments of every command.
func requests(t *rapid.T) []request {
	text := rapid.StringN(1, 60, 255)
	stream, topic, name := text.Draw(t, "stream"), text.Draw(t, "topic"), text.Draw(t, "name")
	username, password, token := text.Draw(t, "username"), text.Draw(t, "password"), text.Draw(t, "token")
	partition := rapid.Uint32().Draw(t, "partition")
	offset := rapid.Uint64().Draw(t, "offset")
	sid, tid, gid := identifier(stream), identifier(topic), identifier(name)
	group := transport.Group{Stream: stream, Topic: topic, Name: name}
	who := transport.Consumer{Stream: stream, Topic: topic, Name: name, Group: rapid.Bool().Draw(t, "group")}
	bareWho := iggcon.NewSingleConsumer(gid)
	if who.Group {
		bareWho = iggcon.NewGroupConsumer(gid)
	}
	ask := transport.Poll{
		Consumer: who, Partition: int64(partition), Count: rapid.Uint32().Draw(t, "count"),
		Strategy: transport.Strategy{Kind: transport.StrategyKind(rapid.Uint8Range(1, 5).Draw(t, "strategy")), Value: offset},
	}
	barePartition := &partition
	if rapid.Bool().Draw(t, "any partition") {
		ask.Partition, barePartition = transport.AnyPartition, nil
	}
	batch, messages := batches(t)
	return []request{
		{
			"login", func(c *tcp.IggyTcpClient) error { _, err := c.LoginUser(username, password); return err },
			func(ctx context.Context, c transport.Conn) error {
				return c.Login(ctx, transport.Credentials{Username: username, Password: password})
			},
		},
		{
			"login by token", func(c *tcp.IggyTcpClient) error { _, err := c.LoginWithPersonalAccessToken(token); return err },
			func(ctx context.Context, c transport.Conn) error {
				return c.Login(ctx, transport.Credentials{Token: token})
			},
		},
		{"ping", (*tcp.IggyTcpClient).Ping, func(ctx context.Context, c transport.Conn) error { return c.Ping(ctx) }},
		{
			"topic", func(c *tcp.IggyTcpClient) error { _, _ = c.GetTopic(sid, tid); return nil },
			func(ctx context.Context, c transport.Conn) error { _, _ = c.Topic(ctx, stream, topic); return c.Err() },
		},
		{"send", func(c *tcp.IggyTcpClient) error {
			return c.SendMessages(sid, tid, iggcon.PartitionId(partition), messages)
		}, func(ctx context.Context, c transport.Conn) error { return c.Send(ctx, stream, topic, partition, batch) }},
		{"poll", func(c *tcp.IggyTcpClient) error {
			_, err := c.PollMessages(sid, tid, bareWho, iggcon.PollingStrategy{Kind: iggcon.MessagePolling(ask.Strategy.Kind), Value: offset}, ask.Count, false, barePartition)
			return err
		}, func(ctx context.Context, c transport.Conn) error { _, err := c.Poll(ctx, ask); return err }},
		{"store offset", func(c *tcp.IggyTcpClient) error {
			return c.StoreConsumerOffset(bareWho, sid, tid, offset, &partition)
		}, func(ctx context.Context, c transport.Conn) error { return c.StoreOffset(ctx, who, partition, offset) }},
		{"offset", func(c *tcp.IggyTcpClient) error {
			_, err := c.GetConsumerOffset(bareWho, sid, tid, &partition)
			return err
		}, func(ctx context.Context, c transport.Conn) error { _, err := c.Offset(ctx, who, partition); return err }},
		{
			"join", func(c *tcp.IggyTcpClient) error { return c.JoinConsumerGroup(sid, tid, gid) },
			func(ctx context.Context, c transport.Conn) error { return c.Join(ctx, group) },
		},
		{
			"leave", func(c *tcp.IggyTcpClient) error { return c.LeaveConsumerGroup(sid, tid, gid) },
			func(ctx context.Context, c transport.Conn) error { return c.Leave(ctx, group) },
		},
		{
			"members", func(c *tcp.IggyTcpClient) error { _, _ = c.GetConsumerGroup(sid, tid, gid); return nil },
			func(ctx context.Context, c transport.Conn) error { _, _ = c.Members(ctx, group); return c.Err() },
		},
	}
}

// batches draws the same messages for both.
func batches(t *rapid.T) (*wire.Batch, []iggcon.IggyMessage) {
	var batch wire.Batch
	var messages []iggcon.IggyMessage
	for range rapid.IntRange(1, 20).Draw(t, "messages") {
		id := iggcon.MessageID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		origin := rapid.Uint64().Draw(t, "origin")
		payload := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.IntRange(1, 2000).Draw(t, "size"))
		var headers []byte
		var entries []iggcon.HeaderEntry
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			key, value := rapid.StringN(1, 40, 255).Draw(t, "key"), rapid.StringN(1, 40, 255).Draw(t, "value")
			headers = wire.AppendHeader(headers, key, value)
			entries = append(entries, iggcon.HeaderEntry{
				Key:   iggcon.HeaderKey{Kind: iggcon.String, Value: []byte(key)},
				Value: iggcon.HeaderValue{Kind: iggcon.String, Value: []byte(value)},
			})
		}
		batch.Append(id, origin, payload, headers)
		m, err := iggcon.NewIggyMessage(payload, iggcon.WithID(id), iggcon.WithUserHeaders(entries))
		require.NoError(t, err)
		m.Header.OriginTimestamp = origin
		messages = append(messages, m)
	}
	return &batch, messages
}

func identifier(name string) iggcon.Identifier {
	id, err := iggcon.NewIdentifier(name)
	if err != nil {
		panic(err)
	}
	return id
}

// For the same calls the transports send the same bytes as the official SDK.
func TestBytesOfTheSDK(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	theirs := record(t)
	bare, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(theirs.address))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bare.Close()) })
	transports := map[string]transport.Dialer{"native": native.Dialer{}, "sdk": sdk.Dialer{}}
	recorders, conns := map[string]*recorder{}, map[string]transport.Conn{}
	for name, d := range transports {
		recorders[name] = record(t)
		conns[name], err = d.Dial(ctx, recorders[name].address, nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, conns[name].Close()) })
	}
	rapid.Check(t, func(rt *rapid.T) {
		for _, call := range requests(rt) {
			require.NoError(rt, call.bare(bare), call.name)
			want := theirs.take()
			require.NotEmpty(rt, want, call.name)
			for name, c := range conns {
				require.NoError(rt, call.ours(ctx, c), "%s: %s", name, call.name)
				got := recorders[name].take()
				// Compared by sum first, since a difference of megabytes is slow to show.
				if sha256.Sum256(want) != sha256.Sum256(got) {
					require.Equal(rt, want, got, "%s: %s", name, call.name)
				}
			}
		}
	})
}

// The transport's login logs nothing, though the SDK's logs to the standard logger.
func TestLoginLogsNothing(t *testing.T) {
	var told bytes.Buffer
	log.SetOutput(&told)
	defer log.SetOutput(io.Discard)
	r := record(t)
	c, err := sdk.Dialer{}.Dial(t.Context(), r.address, nil)
	require.NoError(t, err)
	require.NoError(t, c.Login(t.Context(), transport.Credentials{Username: "iggy", Password: "iggy"}))
	require.NoError(t, c.Close())
	require.Empty(t, told.String())
}
