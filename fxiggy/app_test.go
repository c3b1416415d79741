package fxiggy_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestMain(m *testing.M) {
	if os.Getenv(stoppingProcess) != "" {
		runStopping()
		return
	}
	if os.Getenv(chainProcess) != "" {
		runChain()
		return
	}
	if os.Getenv(waitingProcess) != "" {
		runWaiting()
		return
	}
	goleak.VerifyTestMain(m)
}

// within is how long a test waits for an event.
const within = 30 * time.Second

// endpoint is a server, or a proxy before one.
type endpoint interface{ Address() string }

type realServer string

func (s realServer) Address() string { return string(s) }

// over is an endpoint with the transport by which the application connects to it.
type over struct {
	endpoint
	transport config.Transport
}

// onServers runs a test over both transports against an embedded server, and against the real one
// that IGGY_TEST_ENDPOINT names.
func onServers(t *testing.T, test func(t *testing.T, srv over)) {
	t.Run("embedded", func(t *testing.T) { overTransports(t, server(t), test) })
	t.Run("real", func(t *testing.T) {
		u, err := url.Parse(os.Getenv("IGGY_TEST_ENDPOINT"))
		if err != nil || u.Host == "" {
			t.Skip("SKIPPED: IGGY_TEST_ENDPOINT names no real server")
		}
		password, _ := u.User.Password()
		require.Equal(t, "iggy iggy", u.User.Username()+" "+password, "the credentials of the tests")
		overTransports(t, realServer(u.Host), test)
	})
}

// overTransports runs a test against a server over both transports.
func overTransports(t *testing.T, srv endpoint, test func(t *testing.T, srv over)) {
	for _, transport := range []config.Transport{config.TransportNative, config.TransportSDK} {
		t.Run(string(transport), func(t *testing.T) {
			t.Parallel()
			test(t, over{srv, transport})
		})
	}
}

// newAdmin connects to the server of a configuration.
func newAdmin(t *testing.T, yaml string) *admin.Admin {
	t.Helper()
	cfg, err := config.Load(append(jobs.Options(), config.WithYAML("test.yaml", []byte(yaml)), config.WithEnviron(nil))...)
	require.NoError(t, err)
	a, err := admin.New(cfg.Iggy)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

// newTopic is a topic with one partition in a stream of its own, which ends with the test.
func newTopic(t *testing.T, srv endpoint) topic.Topic[[]byte] {
	t.Helper()
	name := "test-" + uuid.NewString()
	a := newAdmin(t, yaml(srv))
	t.Cleanup(func() {
		if err := a.DeleteStream(context.Background(), name); !errors.Is(err, iggyerr.ErrNotFound) {
			require.NoError(t, err)
		}
	})
	return topic.New(name, "t", topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{Partitions: 1}))
}

// yaml configures the server, with short intervals.
func yaml(server endpoint) string {
	transport := config.TransportNative
	if server, ok := server.(over); ok {
		transport = server.transport
	}
	return fmt.Sprintf(`
iggy: {endpoint: "tcp://%s", client_id: iggy, client_secret: iggy, transport: %s, start_timeout: 10s, request_timeout: 5s}
topics: {tasks: {partitions: 2}, status: {partitions: 1}, logs: {partitions: 1}, dlq: {partitions: 1}}
`, server.Address(), transport)
}

// configured loads a configuration from memory only.
func configured(yaml string) fx.Option {
	return fxiggy.ConfigOptions(config.WithYAML("test.yaml", []byte(yaml)), config.WithEnviron(nil))
}

// quiet drops Fx's own log.
var quiet = fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger })

// start runs an application until the test ends, when it must stop cleanly.
func start(t *testing.T, opts ...fx.Option) *fx.App {
	t.Helper()
	app := fx.New(append([]fx.Option{quiet, fxiggy.Module}, opts...)...)
	require.NoError(t, app.Err())
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	require.NoError(t, app.Start(ctx))
	t.Cleanup(func() { require.NoError(t, stop(app)) })
	return app
}

func stop(app *fx.App) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return app.Stop(ctx)
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(within):
		require.FailNow(t, "nothing came in time")
		panic("unreachable")
	}
}

func task(id string) *jobspb.DownloadTask {
	return &jobspb.DownloadTask{JobId: "job-1", JobType: "images", ResourceId: id, Url: "http://example.com/" + id}
}

func server(t *testing.T) *iggytest.Server {
	t.Helper()
	return iggytest.NewServer(t)
}

// offline is the configuration of applications that never connect.
const offline = "iggy: {client_id: iggy, client_secret: iggy}"

// errOf returns the error of a call that returns a result as well.
func errOf(_ producer.Result, err error) error { return err }
