package consumer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
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
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// rig is a server with one topic, and a connection that writes to it.
type rig struct {
	t       testing.TB
	server  *iggytest.Server // nil when the server is a real one
	iggy    config.Iggy
	stream  string
	topic   topic.Topic[string]
	conn    transport.Conn
	written atomic.Uint64
}

// newRig makes a topic of that many partitions on an embedded server. Messages
// are texts "key/anything"; "key" is the partition key.
func newRig(t testing.TB, partitions uint32, opts ...embedded.Option) *rig {
	t.Helper()
	server := iggytest.NewServer(t, opts...)
	server.CreateTopic("s", "t", partitions)
	server.CreateGroup("s", "t", "g")
	server.CreateGroup("s", "t", "g.balance")
	cfg := config.Default().Iggy
	cfg.Endpoint = "tcp://" + server.Endpoint()
	cfg.ClientID, cfg.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	cfg.Reconnect.BaseBackoff = 10 * time.Millisecond
	r := &rig{t: t, server: server, iggy: cfg, stream: "s", topic: texts("s", "t")}
	r.conn = r.connect()
	return r
}

// realRig makes a topic on the server that IGGY_TEST_ENDPOINT names as
// iggy://user:password@host:port, and skips the test without one.
func realRig(t testing.TB, partitions uint32) *rig {
	t.Helper()
	endpoint, err := url.Parse(os.Getenv("IGGY_TEST_ENDPOINT"))
	if err != nil || endpoint.Host == "" {
		t.Skip("SKIPPED: IGGY_TEST_ENDPOINT names no real server")
	}
	password, _ := endpoint.User.Password()
	cfg := config.Default().Iggy
	cfg.Endpoint = "tcp://" + endpoint.Host
	cfg.ClientID, cfg.ClientSecret = endpoint.User.Username(), config.NewSecret(password)
	r := &rig{t: t, iggy: cfg, stream: fmt.Sprintf("consumer-test-%d-%d", os.Getpid(), time.Now().UnixNano())}
	r.topic = texts(r.stream, "t")
	r.admin(func(c *tcp.IggyTcpClient) {
		_, err := c.CreateStream(r.stream)
		require.NoError(t, err)
		_, err = c.CreateTopic(identifier(t, r.stream), "t", partitions, iggcon.CompressionAlgorithmNone, 0, 0, nil)
		require.NoError(t, err)
		for _, group := range []string{"g", "g.balance"} {
			_, err = c.CreateConsumerGroup(identifier(t, r.stream), identifier(t, "t"), group)
			require.NoError(t, err)
		}
	})
	t.Cleanup(func() {
		r.admin(func(c *tcp.IggyTcpClient) { require.NoError(t, c.DeleteStream(identifier(t, r.stream))) })
	})
	r.conn = r.connect()
	return r
}

func identifier(t testing.TB, name string) iggcon.Identifier {
	t.Helper()
	id, err := iggcon.NewIdentifier(name)
	require.NoError(t, err)
	return id
}

// admin runs f with a client of the official SDK.
func (r *rig) admin(f func(c *tcp.IggyTcpClient)) {
	r.t.Helper()
	c, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(r.iggy.Address()))
	require.NoError(r.t, err)
	defer func() { _ = c.Close() }()
	_, err = c.LoginUser(r.iggy.ClientID, r.iggy.ClientSecret.Reveal())
	require.NoError(r.t, err)
	f(c)
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
func (textCodec) ContentType() string                         { return "text/plain" }
func (textCodec) MessageType() string                         { return "" }
func (textCodec) Decode(b []byte) (string, error) {
	if b[0] == '!' {
		return "", fmt.Errorf("malformed text")
	}
	return string(b), nil
}

func (r *rig) connect() transport.Conn {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := sdk.Dialer{}.Dial(ctx, r.iggy.Address(), nil)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = c.Close() })
	require.NoError(r.t, c.Login(ctx, transport.Credentials{Username: r.iggy.ClientID, Password: r.iggy.ClientSecret.Reveal()}))
	return c
}

// quick is a configuration with which things happen fast.
func quick() config.Consumer {
	cfg := config.DefaultConsumer("g")
	cfg.PollIntervalMax = 5 * time.Millisecond
	cfg.ProbeInterval = 100 * time.Millisecond
	cfg.CommitInterval = 50 * time.Millisecond
	cfg.RebalanceAfter = 300 * time.Millisecond
	cfg.RebalanceGrace = 5 * time.Second
	cfg.Retry.BaseBackoff, cfg.Retry.MaxBackoff = 5*time.Millisecond, 50*time.Millisecond
	return cfg
}

// send stores texts in a partition, and gives each an id.
func (r *rig) send(partition uint32, texts ...string) {
	r.t.Helper()
	var b wire.Batch
	for _, text := range texts {
		var id [16]byte
		binary.BigEndian.PutUint64(id[8:], r.written.Add(1))
		b.Append(id, uint64(time.Now().UnixMicro()), []byte(text), nil)
	}
	r.sendBatch(partition, &b)
}

func (r *rig) sendBatch(partition uint32, b *wire.Batch) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(r.t, r.conn.Send(ctx, r.stream, "t", partition, b))
}

// numbered makes texts "key/0" to "key/n-1".
func numbered(key string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s/%d", key, i)
	}
	return texts
}

func logger(t testing.TB) *zap.Logger {
	if os.Getenv("CONSUMER_TEST_LOG") != "" {
		return zaptest.NewLogger(t)
	}
	return zap.NewNop()
}

// consumer makes a consumer that is stopped with the test.
func (r *rig) consumer(cfg config.Consumer, opts ...consumer.Option) *consumer.Consumer[string] {
	r.t.Helper()
	c, err := consumer.New(r.iggy, cfg, r.topic, append([]consumer.Option{consumer.WithLogger(logger(r.t))}, opts...)...)
	require.NoError(r.t, err)
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = c.Stop(ctx)
	})
	return c
}

func start(t testing.TB, c *consumer.Consumer[string]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, c.Start(ctx))
}

func stop(t testing.TB, c *consumer.Consumer[string]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, c.Stop(ctx))
}

// seen collects what handlers saw.
type seen struct {
	mu      sync.Mutex
	texts   []string
	changed chan struct{}
}

func newSeen() *seen { return &seen{changed: make(chan struct{})} }

func (s *seen) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = append(s.texts, text)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *seen) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.texts...)
}

// wait waits until n texts were seen.
func (s *seen) wait(t testing.TB, n int) []string {
	t.Helper()
	s.waitFor(t, fmt.Sprintf("%d messages", n), func(texts []string) bool { return len(texts) >= n })
	return s.all()
}

func (s *seen) waitFor(t testing.TB, what string, ok func(texts []string) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		good, changed := ok(s.texts), s.changed
		n := len(s.texts)
		s.mu.Unlock()
		if good {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "not seen in time", "%s; %d messages were seen", what, n)
		}
	}
}

// remake deletes the topic and makes it again.
func (r *rig) remake() {
	r.t.Helper()
	r.admin(func(c *tcp.IggyTcpClient) {
		require.NoError(r.t, c.DeleteTopic(identifier(r.t, "s"), identifier(r.t, "t")))
	})
	r.server.CreateTopic("s", "t", 1)
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(2 * patience)
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
