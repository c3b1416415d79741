package sdk_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// The benchmarks run each transport and the bare SDK on the server that IGGY_TEST_ENDPOINT names,
// or on an embedded one in this process. The embedded server uses CPU time too, and its allocations
// are counted.

const (
	benchPartitions = 8
	benchPayload    = 512
)

// benchServer is a topic on a server, and the bare SDK client that created it.
type benchServer struct {
	address string
	login   transport.Credentials
	stream  string
	admin   *tcp.IggyTcpClient
	sid     iggcon.Identifier
	tid     iggcon.Identifier
}

func newBenchServer(b *testing.B) *benchServer {
	p := &benchServer{stream: fmt.Sprintf("bench-%d", time.Now().UnixNano())}
	p.login = transport.Credentials{Username: embedded.DefaultUsername, Password: embedded.DefaultPassword}
	if endpoint := os.Getenv("IGGY_TEST_ENDPOINT"); endpoint != "" {
		u, err := url.Parse(endpoint)
		require.NoError(b, err)
		p.address, p.login.Username = u.Host, u.User.Username()
		p.login.Password, _ = u.User.Password()
	} else {
		server, err := embedded.Start()
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, server.Stop(context.Background())) })
		p.address = server.Address()
	}
	p.admin = p.bareClient(b)
	p.sid, p.tid = identifier(p.stream), identifier("t")
	_, err := p.admin.CreateStream(p.stream)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, p.admin.DeleteStream(p.sid)) })
	_, err = p.admin.CreateTopic(p.sid, "t", benchPartitions, iggcon.CompressionAlgorithmNone, 0, 0, nil)
	require.NoError(b, err)
	return p
}

func (p *benchServer) bareClient(b *testing.B) *tcp.IggyTcpClient {
	c, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(p.address))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, c.Close()) })
	_, err = c.LoginUser(p.login.Username, p.login.Password)
	require.NoError(b, err)
	return c
}

func (p *benchServer) dial(b *testing.B, d transport.Dialer) transport.Conn {
	c, err := d.Dial(b.Context(), p.address, nil)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, c.Close()) })
	require.NoError(b, c.Login(b.Context(), p.login))
	return c
}

var dialers = []struct {
	name   string
	dialer transport.Dialer
}{{"native", native.Dialer{}}, {"sdk", sdk.Dialer{}}}

// sendWith is one way to send a batch of count messages; each goroutine gets one of its own.
type sendWith func() func(partition uint32) error

func (p *benchServer) bareSend(c *tcp.IggyTcpClient, count int) sendWith {
	payload := make([]byte, benchPayload)
	return func() func(uint32) error {
		return func(partition uint32) error {
			messages := make([]iggcon.IggyMessage, 0, count)
			for range count {
				m, err := iggcon.NewIggyMessage(payload)
				if err != nil {
					return err
				}
				messages = append(messages, m)
			}
			return c.SendMessages(p.sid, p.tid, iggcon.PartitionId(partition), messages)
		}
	}
}

func (p *benchServer) connSend(ctx context.Context, c transport.Conn, count int) sendWith {
	payload := make([]byte, benchPayload)
	return func() func(uint32) error {
		var batch wire.Batch
		return func(partition uint32) error {
			batch.Reset()
			for range count {
				batch.Append([16]byte{}, uint64(time.Now().UnixMicro()), payload, nil)
			}
			return c.Send(ctx, p.stream, "t", partition, &batch)
		}
	}
}

// BenchmarkSend sends batches of messages, from one goroutine or from several on one connection.
func BenchmarkSend(b *testing.B) {
	p := newBenchServer(b)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour) // as a caller's would have
	defer cancel()
	bare := p.bareClient(b)
	for _, size := range []struct{ messages, goroutines int }{{1, 1}, {1000, 1}, {1000, 8}} {
		run := func(name string, with sendWith) {
			b.Run(fmt.Sprintf("messages=%d/goroutines=%d/%s", size.messages, size.goroutines, name), func(b *testing.B) {
				b.ReportAllocs()
				work := make(chan struct{})
				var wg sync.WaitGroup
				for i := range size.goroutines {
					send := with()
					wg.Go(func() {
						for range work {
							if err := send(uint32(i % benchPartitions)); err != nil {
								b.Error(err)
							}
						}
					})
				}
				for b.Loop() {
					work <- struct{}{}
				}
				close(work)
				wg.Wait()
				b.ReportMetric(float64(b.N*size.messages)/b.Elapsed().Seconds(), "messages/s")
			})
		}
		run("bare", p.bareSend(bare, size.messages))
		for _, d := range dialers {
			run(d.name, p.connSend(ctx, p.dial(b, d.dialer), size.messages))
		}
	}
}

// BenchmarkPoll polls stored messages.
func BenchmarkPoll(b *testing.B) {
	const batches = 20
	p := newBenchServer(b)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	bare := p.bareClient(b)
	fill := p.bareSend(bare, 1000)()
	for range batches {
		require.NoError(b, fill(0))
	}
	for _, count := range []int{1, 1000} {
		run := func(name string, poll func(offset uint64) (int, error)) {
			b.Run(fmt.Sprintf("messages=%d/%s", count, name), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					n, err := poll(uint64(i%batches) * 1000)
					if err != nil || n != count {
						b.Fatalf("%d messages, %v", n, err)
					}
					i++
				}
				b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "messages/s")
			})
		}
		var partition uint32
		run("bare", func(offset uint64) (int, error) {
			got, err := bare.PollMessages(p.sid, p.tid, iggcon.NewSingleConsumer(p.tid), iggcon.OffsetPollingStrategy(offset), uint32(count), false, &partition)
			if err != nil {
				return 0, err
			}
			return len(got.Messages), nil
		})
		for _, d := range dialers {
			c := p.dial(b, d.dialer)
			run(d.name, func(offset uint64) (int, error) {
				got, err := c.Poll(ctx, transport.Poll{
					Consumer: transport.Consumer{Stream: p.stream, Topic: "t", Name: "t"},
					Strategy: transport.Strategy{Kind: transport.FromOffset, Value: offset}, Count: uint32(count),
				})
				if err != nil {
					return 0, err
				}
				return len(got.Messages), nil
			})
		}
	}
}
