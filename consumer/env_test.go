package consumer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// testTimeout is how long a test waits for what must happen.
const testTimeout = 30 * time.Second

// testEnv is a server with one topic, and a connection that writes to it.
type testEnv struct {
	t       testing.TB
	server  *iggytest.Server // nil when the server is a real one
	iggy    config.Iggy
	stream  string
	topic   topic.Topic[string]
	user    string // see createUser
	conn    transport.Conn
	written atomic.Uint64
}

// newTestEnv makes a topic with that many partitions on an embedded server. Messages are texts
// "key/anything"; "key" is the partition key.
func newTestEnv(t testing.TB, partitions uint32, opts ...embedded.Option) *testEnv {
	t.Helper()
	server := iggytest.NewServer(t, opts...)
	server.CreateTopic("s", "t", partitions)
	server.CreateGroup("s", "t", "g")
	server.CreateGroup("s", "t", "g.balance")
	cfg := config.Default().Iggy
	cfg.Endpoint = "tcp://" + server.Address()
	cfg.ClientID, cfg.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	cfg.Reconnect.BaseBackoff = 10 * time.Millisecond
	e := &testEnv{t: t, server: server, iggy: cfg, stream: "s", topic: texts("s", "t")}
	e.conn = e.connect()
	return e
}

// newRealEnv makes a topic on the server that IGGY_TEST_ENDPOINT names as
// iggy://user:password@host:port, and skips the test without one.
func newRealEnv(t testing.TB, partitions uint32) *testEnv {
	t.Helper()
	endpoint, err := url.Parse(os.Getenv("IGGY_TEST_ENDPOINT"))
	if err != nil || endpoint.Host == "" {
		t.Skip("SKIPPED: IGGY_TEST_ENDPOINT names no real server")
	}
	password, _ := endpoint.User.Password()
	cfg := config.Default().Iggy
	cfg.Endpoint = "tcp://" + endpoint.Host
	cfg.ClientID, cfg.ClientSecret = endpoint.User.Username(), config.NewSecret(password)
	e := &testEnv{t: t, iggy: cfg, stream: fmt.Sprintf("consumer-test-%d-%d", os.Getpid(), time.Now().UnixNano())}
	e.topic = texts(e.stream, "t")
	e.admin(func(c *tcp.IggyTcpClient) {
		_, err := c.CreateStream(e.stream)
		require.NoError(t, err)
		_, err = c.CreateTopic(identifier(t, e.stream), "t", partitions, iggcon.CompressionAlgorithmNone, 0, 0, nil)
		require.NoError(t, err)
		for _, group := range []string{"g", "g.balance"} {
			_, err = c.CreateConsumerGroup(identifier(t, e.stream), identifier(t, "t"), group)
			require.NoError(t, err)
		}
	})
	t.Cleanup(func() {
		e.admin(func(c *tcp.IggyTcpClient) { require.NoError(t, c.DeleteStream(identifier(t, e.stream))) })
	})
	e.conn = e.connect()
	return e
}

// overServers runs a test over both transports, against the embedded server with short intervals,
// and against a real one with the default configuration.
func overServers(t *testing.T, partitions uint32, test func(t *testing.T, e *testEnv, cfg config.Consumer)) {
	for _, name := range []config.Transport{config.TransportSDK, config.TransportNative} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			overBothServers(t, partitions, func(t *testing.T, e *testEnv, cfg config.Consumer) {
				e.iggy.Transport = name
				test(t, e, cfg)
			})
		})
	}
}

// overBothServers runs a test against the embedded server with short intervals, and against a real
// one with the default configuration.
func overBothServers(t *testing.T, partitions uint32, test func(t *testing.T, e *testEnv, cfg config.Consumer)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, newTestEnv(t, partitions), fastConfig())
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		e := newRealEnv(t, partitions)
		test(t, e, config.DefaultConsumer("g"))
	})
}

func identifier(t testing.TB, name string) iggcon.Identifier {
	t.Helper()
	id, err := iggcon.NewIdentifier(name)
	require.NoError(t, err)
	return id
}

// admin runs f with a client of the official SDK.
func (e *testEnv) admin(f func(c *tcp.IggyTcpClient)) {
	e.t.Helper()
	c, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(e.iggy.Address()))
	require.NoError(e.t, err)
	defer func() { _ = c.Close() }()
	_, err = c.LoginUser(e.iggy.ClientID, e.iggy.ClientSecret.Reveal())
	require.NoError(e.t, err)
	f(c)
}

func (e *testEnv) connect() transport.Conn {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	c, err := sdk.Dialer{}.Dial(ctx, e.iggy.Address(), nil)
	require.NoError(e.t, err)
	e.t.Cleanup(func() { _ = c.Close() })
	require.NoError(e.t, c.Login(ctx, transport.Credentials{Username: e.iggy.ClientID, Password: e.iggy.ClientSecret.Reveal()}))
	return c
}

// send stores texts in a partition, and gives each an id.
func (e *testEnv) send(partition uint32, texts ...string) {
	e.t.Helper()
	var b wire.Batch
	for _, text := range texts {
		var id [16]byte
		binary.BigEndian.PutUint64(id[8:], e.written.Add(1))
		b.Append(id, uint64(time.Now().UnixMicro()), []byte(text), nil)
	}
	e.sendBatch(partition, &b)
}

func (e *testEnv) sendBatch(partition uint32, b *wire.Batch) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	require.NoError(e.t, e.conn.Send(ctx, e.stream, "t", partition, b))
}

// sendCompressed stores n messages whose payloads are size zeros.
func (e *testEnv) sendCompressed(partition uint32, n, size int, c config.Compression) {
	e.t.Helper()
	payload, err := encoding.Append(nil, c, make([]byte, size))
	require.NoError(e.t, err)
	var b wire.Batch
	for range n {
		var id [16]byte
		binary.BigEndian.PutUint64(id[8:], e.written.Add(1))
		headers := wire.AppendHeader(nil, topic.HeaderContentEncoding, string(c))
		b.Append(id, uint64(time.Now().UnixMicro()), payload, headers)
	}
	e.sendBatch(partition, &b)
}

// sendLarge stores n large payloads, each with a header.
func (e *testEnv) sendLarge(n int) {
	for first := 0; first < n; first += 500 {
		var b wire.Batch
		for i := first; i < first+500; i++ {
			b.Append([16]byte{1, byte(i), byte(i >> 8)}, 0, large(i), wire.AppendHeader(nil, "number", fmt.Sprint(i)))
		}
		e.sendBatch(0, &b)
	}
}

// large is the payload of a message of which a few make a poll result whose memory is reused.
func large(i int) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 500) }

// load sends messages to all partitions until it is stopped, and returns how many.
func (e *testEnv) load(partitions uint32, every time.Duration) (stop func() int) {
	quit, done := make(chan struct{}), make(chan int)
	go func() {
		sent := 0
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				done <- sent
				return
			case <-tick.C:
				for p := range partitions {
					e.send(p, fmt.Sprintf("%d-%d/x", p, sent), fmt.Sprintf("%d-%d/y", p, sent))
					sent += 2
				}
			}
		}
	}()
	return func() int {
		close(quit)
		return <-done
	}
}

// purge purges the topic, which the official SDK can't.
func (e *testEnv) purge() { e.request(embedded.PurgeTopic, nil) }

// savesAtOnce reports whether the server saves each message at once, so that a purge leaves none. It
// purges the topic.
func (e *testEnv) savesAtOnce() bool {
	e.send(1, "probe")
	e.purge()
	conn := e.connect()
	polled, err := conn.Poll(e.t.Context(), transport.Poll{
		Consumer: transport.Consumer{Stream: e.topic.Stream(), Topic: e.topic.Name(), Name: "probe"}, Partition: 1, Count: 1, Strategy: transport.Strategy{Kind: transport.FromOffset},
	})
	require.NoError(e.t, err)
	return len(polled.Messages) == 0
}

// save has the server save the messages of a partition.
func (e *testEnv) save(partition uint32) {
	e.request(embedded.FlushUnsavedBuffer, append(binary.LittleEndian.AppendUint32(nil, partition), 0))
}

// request makes a request about the topic.
func (e *testEnv) request(code embedded.Command, body []byte) {
	e.t.Helper()
	conn, err := net.Dial("tcp", e.iggy.Address())
	require.NoError(e.t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(e.t, conn.SetDeadline(time.Now().Add(testTimeout/3)))
	request := func(code uint32, body []byte) {
		frame := append(wire.BeginFrame(nil, code), body...)
		wire.EndFrame(frame, 0)
		_, err := conn.Write(frame)
		require.NoError(e.t, err)
		var head [8]byte
		_, err = io.ReadFull(conn, head[:])
		require.NoError(e.t, err)
		require.Zero(e.t, binary.LittleEndian.Uint32(head[:]), "the status")
		_, err = io.CopyN(io.Discard, conn, int64(binary.LittleEndian.Uint32(head[4:])))
		require.NoError(e.t, err)
	}
	request(wire.CodeLogin, wire.AppendLogin(nil, e.iggy.ClientID, e.iggy.ClientSecret.Reveal()))
	name := func(dst []byte, name string) []byte { return append(append(dst, 2, byte(len(name))), name...) }
	request(uint32(code), append(name(name(nil, e.stream), "t"), body...))
}

// remake deletes the topic and creates it again.
func (e *testEnv) remake() {
	e.t.Helper()
	e.admin(func(c *tcp.IggyTcpClient) {
		require.NoError(e.t, c.DeleteTopic(identifier(e.t, "s"), identifier(e.t, "t")))
	})
	e.server.CreateTopic("s", "t", 1)
}

// recreate creates the topic again after the server lost it.
func (e *testEnv) recreate(partitions uint32) {
	e.server.CreateTopic("s", "t", partitions)
	e.server.CreateGroup("s", "t", "g")
	e.server.CreateGroup("s", "t", "g.balance")
	e.conn = e.connect()
}

// fastConfig is a configuration with short intervals.
func fastConfig() config.Consumer {
	cfg := config.DefaultConsumer("g")
	cfg.PollIntervalMax = 5 * time.Millisecond
	cfg.ProbeInterval = 100 * time.Millisecond
	cfg.CommitInterval = 50 * time.Millisecond
	cfg.RebalanceAfter = 300 * time.Millisecond
	cfg.RebalanceGrace = 5 * time.Second
	cfg.Retry.BaseBackoff, cfg.Retry.MaxBackoff = 5*time.Millisecond, 50*time.Millisecond
	return cfg
}

// consumer makes a consumer that is stopped with the test.
func (e *testEnv) consumer(cfg config.Consumer, opts ...consumer.Option) *consumer.Consumer[string] {
	e.t.Helper()
	c, err := consumer.New(e.iggy, cfg, e.topic, append([]consumer.Option{consumer.WithLogger(logger(e.t))}, opts...)...)
	require.NoError(e.t, err)
	e.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		_ = c.Stop(ctx)
	})
	return c
}

// worker starts a member of the group that logs what it handles.
func (e *testEnv) worker(cfg config.Consumer, log *handlerLog, work time.Duration, opts ...consumer.Option) *consumer.Consumer[string] {
	e.t.Helper()
	c := e.consumer(cfg, opts...)
	require.NoError(e.t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		log.begin(m.Value)
		if work > 0 {
			time.Sleep(work) // the handler's work
		}
		log.done(m.Value)
		return nil
	}))
	start(e.t, c)
	return c
}

func start[T any](t testing.TB, c *consumer.Consumer[T]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	require.NoError(t, c.Start(ctx))
}

func stop[T any](t testing.TB, c *consumer.Consumer[T]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	require.NoError(t, c.Stop(ctx))
}

func logger(t testing.TB) *zap.Logger {
	if os.Getenv("CONSUMER_TEST_LOG") != "" {
		return zaptest.NewLogger(t)
	}
	return zap.NewNop()
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(2 * testTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			require.FailNow(t, "did not happen in time", what)
		}
	}
}

// received waits for a value, for as long as what must happen may take.
func received[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(testTimeout):
		require.FailNow(t, "waited in vain", "for %s", what)
		panic("unreachable")
	}
}

// texts is a topic of texts with the part before the slash as key.
func texts(stream, name string) topic.Topic[string] {
	return topic.New(stream, name, textCodec{}, topic.Key(func(s string) string {
		key, _, ok := strings.Cut(s, "/")
		if !ok {
			return ""
		}
		return key
	}))
}

// textCodec refuses texts that begin with an exclamation mark.
type textCodec struct{}

func (textCodec) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

func (textCodec) ContentType() string { return "text/plain" }

func (textCodec) MessageType() string { return "" }

func (textCodec) Decode(b []byte, _ topic.Headers) (string, error) {
	if b[0] == '!' {
		return "", fmt.Errorf("malformed text")
	}
	return string(b), nil
}

// numbered makes texts "key/0" to "key/n-1".
func numbered(key string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s/%d", key, i)
	}
	return texts
}
