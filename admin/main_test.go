package admin_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onServers runs a test against an embedded server, and against the real one that
// IGGY_TEST_ENDPOINT names.
func onServers(t *testing.T, test func(t *testing.T, cfg config.Iggy)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, settings(iggytest.NewServer(t).Address()))
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		endpoint := os.Getenv("IGGY_TEST_ENDPOINT")
		if endpoint == "" {
			t.Skip("IGGY_TEST_ENDPOINT is not set: no real server")
		}
		u, err := url.Parse(endpoint)
		require.NoError(t, err)
		cfg := settings("iggy://" + u.Host)
		password, _ := u.User.Password()
		cfg.ClientID, cfg.ClientSecret = u.User.Username(), config.NewSecret(password)
		test(t, cfg)
	})
}

// settings are for a server at an endpoint with or without a scheme.
func settings(endpoint string) config.Iggy {
	cfg := config.Default().Iggy
	if !strings.Contains(endpoint, "://") {
		endpoint = "iggy://" + endpoint
	}
	cfg.Endpoint = endpoint
	cfg.ClientID, cfg.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	cfg.DialTimeout, cfg.RequestTimeout = 20*time.Second, 20*time.Second
	return cfg
}

func newAdmin(t *testing.T, cfg config.Iggy, opts ...admin.Option) *admin.Admin {
	t.Helper()
	a, err := admin.New(cfg, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func newContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

var streams atomic.Uint64

// newStream is a name that no other test uses. What it names is deleted after the test.
func newStream(t *testing.T, a *admin.Admin) string {
	t.Helper()
	name := fmt.Sprintf("admin-test-%d-%d", os.Getpid(), streams.Add(1))
	t.Cleanup(func() { require.NoError(t, a.DeleteStream(context.Background(), name)) })
	return name
}

// dial opens a connection of the data plane.
func dial(t *testing.T, cfg config.Iggy) transport.Conn {
	t.Helper()
	ctx := newContext(t)
	conn, err := sdk.Dialer{}.Dial(ctx, cfg.Address(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	require.NoError(t, conn.Login(ctx, transport.Credentials{Username: cfg.ClientID, Password: cfg.ClientSecret.Reveal()}))
	return conn
}

// newFilledTopic has a topic of 3 partitions and a group; partition 0 holds 10 messages, partition
// 1 holds one.
func newFilledTopic(t *testing.T, cfg config.Iggy) (*admin.Admin, admin.Group, transport.Conn) {
	t.Helper()
	a, ctx := newAdmin(t, cfg), newContext(t)
	g := admin.Group{Stream: newStream(t, a), Topic: "t", Name: "g"}
	_, err := a.Provision(ctx, admin.Spec{{Stream: g.Stream, Name: g.Topic, Settings: topic.Settings{Partitions: 3}, Groups: []string{g.Name}}})
	require.NoError(t, err)
	conn := dial(t, cfg)
	for partition, messages := range map[uint32]int{0: 10, 1: 1} {
		var batch wire.Batch
		for i := range messages {
			batch.Append([16]byte{byte(partition), byte(i + 1)}, 1, []byte("payload"), nil)
		}
		require.NoError(t, conn.Send(ctx, g.Stream, g.Topic, partition, &batch))
	}
	return a, g, dial(t, cfg)
}

func committed(t *testing.T, a *admin.Admin, g admin.Group) map[uint32]uint64 {
	t.Helper()
	lag, err := a.Lag(newContext(t), g)
	require.NoError(t, err)
	all := map[uint32]uint64{}
	for _, p := range lag.Partitions {
		if p.Stored {
			all[p.ID] = p.Committed
		}
	}
	return all
}

func callSDK(t *testing.T, conn transport.Conn, call func(*tcp.IggyTcpClient) error) {
	t.Helper()
	require.NoError(t, sdk.Control(context.Background(), conn, "test", "", call))
}

func identifier(s string) iggcon.Identifier {
	return iggcon.Identifier{Kind: iggcon.StringId, Length: len(s), Value: []byte(s)}
}
