package fxiggy_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// restartable is a server of the test's own, which can lose everything.
type restartable interface {
	endpoint
	Crash()
	Start()
}

// onOwnServers runs a test over both transports against an embedded server, and against a real one,
// whose program IGGY_TEST_SERVER names.
func onOwnServers(t *testing.T, test func(t *testing.T, srv restartable, at over)) {
	each := func(t *testing.T, start func(t *testing.T) restartable) {
		for _, transport := range []config.Transport{config.TransportNative, config.TransportSDK} {
			t.Run(string(transport), func(t *testing.T) {
				t.Parallel()
				srv := start(t)
				test(t, srv, over{srv, transport})
			})
		}
	}
	t.Run("embedded", func(t *testing.T) {
		each(t, func(t *testing.T) restartable { return server(t) })
	})
	t.Run("real", func(t *testing.T) {
		program := os.Getenv("IGGY_TEST_SERVER")
		if program == "" {
			t.Skip("SKIPPED: IGGY_TEST_SERVER names no program of a real server")
		}
		each(t, func(t *testing.T) restartable { return startServerProcess(t, program) })
	})
}

// serverProcess is a real server in a process of its own.
type serverProcess struct {
	t       *testing.T
	program string
	address string
	dir     string
	cmd     *exec.Cmd // nil: it does not run
	log     bytes.Buffer
}

func startServerProcess(t *testing.T, program string) *serverProcess {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &serverProcess{t: t, program: program, address: l.Addr().String(), dir: t.TempDir()}
	require.NoError(t, l.Close())
	s.Start()
	t.Cleanup(s.Crash)
	return s
}

func (s *serverProcess) Address() string { return s.address }

// Start starts the server, without any data after Crash, and waits until it listens.
func (s *serverProcess) Start() {
	s.t.Helper()
	s.cmd = exec.Command(s.program)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, &s.log, &s.log
	s.cmd.Env = append(os.Environ(), "IGGY_ROOT_USERNAME=iggy", "IGGY_ROOT_PASSWORD=iggy", "IGGY_SYSTEM_PATH="+s.dir, "IGGY_TCP_ADDRESS="+s.address,
		"IGGY_HTTP_ENABLED=false", "IGGY_QUIC_ENABLED=false", "IGGY_WEBSOCKET_ENABLED=false")
	require.NoError(s.t, s.cmd.Start())
	require.Eventually(s.t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", s.address)
		if err == nil {
			err = conn.Close()
		}
		return err == nil
	}, within, 20*time.Millisecond)
}

// Crash kills the server and removes its data.
func (s *serverProcess) Crash() {
	s.t.Helper()
	if s.cmd == nil {
		return
	}
	require.NoError(s.t, s.cmd.Process.Kill())
	_ = s.cmd.Wait()
	s.cmd = nil
	require.NoError(s.t, os.RemoveAll(s.dir))
	require.NoError(s.t, os.Mkdir(s.dir, 0o750))
	if s.t.Failed() {
		s.t.Logf("the server's log:\n%s", &s.log)
	}
}

// A server without a disk, or with a new one, comes back without topics, groups and offsets.
func TestAServerThatRestartsEmptyIsProvisionedAgain(t *testing.T) {
	t.Parallel()
	onOwnServers(t, func(t *testing.T, srv restartable, at over) {
		messages, values := topic.New("s", "t", topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{Partitions: 1})), make(chan string, 1)
		var (
			handler *health.Handler
			pub     *bytesPublisher
		)
		start(t, configured(yaml(at)+"health: {interval: 0s}\n"), fxiggy.Consume(messages, "in"), fxiggy.Publish(messages),
			fx.Invoke(handleTo(values)), fx.Populate(&pub, &handler))
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
		require.Equal(t, "a", receive(t, values))
		for _, value := range []string{"b", "c"} {
			srv.Crash()
			srv.Start()
			require.NoError(t, errOf(pub.Publish(t.Context(), []byte(value))))
			require.Equal(t, value, receive(t, values))
			requireReady(t, handler)
			a := newAdmin(t, yaml(at))
			groups, err := a.Groups(t.Context(), "s", "t")
			require.NoError(t, err)
			var names []string
			for _, g := range groups {
				names = append(names, g.Name)
			}
			require.Contains(t, names, "in")
			require.Contains(t, names, "in.balance")
		}
	})
}

// An idle application finds what is missing without a message to publish.
func TestAnIdleApplicationFindsAServerThatRestartsEmpty(t *testing.T) {
	t.Parallel()
	onOwnServers(t, func(t *testing.T, srv restartable, at over) {
		messages, values := topic.New("s", "t", topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{Partitions: 1})), make(chan string, 1)
		var handler *health.Handler
		start(t, configured(yaml(at)+"health: {interval: 0s}\n"), fxiggy.Consume(messages, "in"), fx.Invoke(handleTo(values)), fx.Populate(&handler))
		requireReady(t, handler)
		srv.Crash()
		srv.Start()
		a := newAdmin(t, yaml(at))
		require.Eventually(t, func() bool {
			groups, err := a.Groups(t.Context(), "s", "t")
			return err == nil && len(groups) == 2
		}, within, 50*time.Millisecond)
		requireReady(t, handler)
	})
}

// Without provisioning, an application on a server that comes back empty is not ready and says what
// is missing, until someone creates it.
func TestAServerThatRestartsEmptyWithoutProvisioning(t *testing.T) {
	t.Parallel()
	onOwnServers(t, func(t *testing.T, srv restartable, at over) {
		messages, values := topic.New("s", "t", topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{Partitions: 1})), make(chan string, 1)
		provision := func() {
			cfg := config.DefaultConsumer("in")
			_, err := newAdmin(t, yaml(at)).Provision(t.Context(), admin.Spec{admin.Of(messages, cfg.Groups()...)})
			require.NoError(t, err)
		}
		provision()
		var (
			handler *health.Handler
			pub     *bytesPublisher
		)
		off := strings.Replace(yaml(at), "topics: {", "topics: {provision: false, ", 1)
		start(t, configured(off+"health: {interval: 0s}\nproducer: {metadata_interval: 100ms}\n"), fxiggy.Consume(messages, "in"), fxiggy.Publish(messages),
			fx.Invoke(handleTo(values)), fx.Populate(&pub, &handler))
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
		require.Equal(t, "a", receive(t, values))
		requireReady(t, handler)

		srv.Crash()
		srv.Start()
		require.Eventually(t, func() bool {
			code, report := probe(t, handler, health.ReadyPath)
			missing := func(component string) bool {
				return strings.Contains(report.Components[component].LastError, "s/t") && strings.Contains(report.Components[component].LastError, "not found")
			}
			return code == http.StatusServiceUnavailable && missing("producer") && missing("consumer.in")
		}, within, 20*time.Millisecond)
		code, _ := probe(t, handler, health.LivePath)
		require.Equal(t, http.StatusOK, code)

		provision()
		requireReady(t, handler)
		require.NoError(t, errOf(pub.Publish(t.Context(), []byte("b"))))
		require.Equal(t, "b", receive(t, values))
	})
}

// requireReady waits until the application is ready.
func requireReady(t *testing.T, handler *health.Handler) {
	t.Helper()
	var last health.Report
	require.Eventually(t, func() bool {
		code, report := probe(t, handler, health.ReadyPath)
		last = report
		return code == http.StatusOK
	}, within, 20*time.Millisecond, "%v", &last)
}
