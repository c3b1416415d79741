package cli_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// system is a server with FetchBox's topics, for one test.
type system struct {
	*iggytest.Server
	t *testing.T
}

func newSystem(t *testing.T, opts ...embedded.Option) system {
	t.Helper()
	s := system{iggytest.NewServer(t, opts...), t}
	s.run("provision", "--yes").ok(t)
	return s
}

// args are the arguments with the server's address.
func (s system) args(args []string) []string {
	return append(args, "--endpoint", "iggy://iggy:iggy@"+s.Address())
}

func (s system) run(args ...string) result { return run(s.t, s.args(args)...) }

func (s system) runIn(in string, args ...string) result {
	return runWith(s.t, strings.NewReader(in), s.args(args)...)
}

func (s system) begin(args ...string) *process {
	return begin(s.t, strings.NewReader(""), s.args(args)...)
}

// cluster is the configuration of a service.
func (s system) cluster() config.Cluster {
	cfg := jobs.DefaultCluster()
	cfg.Iggy.Endpoint = s.Embedded().Endpoint() // past the faults
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	return cfg
}

// producer is the producer of a service.
func (s system) producer(cfg config.Cluster) *producer.Producer {
	s.t.Helper()
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	require.NoError(s.t, err)
	require.NoError(s.t, p.Start(s.t.Context()))
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(s.t, p.Stop(ctx))
	})
	return p
}

// publisher publishes like a service.
func (s system) publisher() *jobs.Publisher {
	s.t.Helper()
	cfg := s.cluster()
	return jobs.NewPublisher(s.producer(cfg), jobs.FromConfig(cfg.Topics))
}

// topicsIn is the section topics that moves FetchBox's topics to another stream.
func topicsIn(stream string) string {
	text := "topics:\n"
	for _, name := range []string{"tasks", "status", "logs", "dlq"} {
		text += "  " + name + ": {stream: " + stream + "}\n"
	}
	return text
}

// jsonLines decodes output in JSON lines.
func jsonLines[T any](t *testing.T, out string) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(out) {
		var one T
		require.NoError(t, json.Unmarshal([]byte(line), &one), line)
		all = append(all, one)
	}
	return all
}

// jsonOf decodes output that is one JSON value.
func jsonOf[T any](t *testing.T, out string) T {
	t.Helper()
	var one T
	require.NoError(t, json.Unmarshal([]byte(out), &one), out)
	return one
}

func connectNative(t *testing.T, srv *iggytest.Server) transport.Conn {
	t.Helper()
	conn, err := native.Dialer{}.Dial(t.Context(), srv.Address(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.Login(t.Context(), transport.Credentials{Username: iggytest.Username, Password: iggytest.Password}))
	return conn
}

func sendRaw(t *testing.T, conn transport.Conn, topic string, payload []byte) error {
	t.Helper()
	var batch wire.Batch
	batch.Append([16]byte{1}, 1, payload, nil)
	return conn.Send(t.Context(), "fetchbox", topic, 0, &batch)
}

// sendTo sends payloads to one partition.
func sendTo(t *testing.T, conn transport.Conn, stream, topic string, partition uint32, payloads ...[]byte) error {
	t.Helper()
	var batch wire.Batch
	for i, payload := range payloads {
		batch.Append([16]byte{byte(partition + 1), byte(i + 1)}, 1, payload, nil)
	}
	return conn.Send(t.Context(), stream, topic, partition, &batch)
}

// errOf returns the error of a call that returns a result as well.
func errOf(_ producer.Result, err error) error { return err }
