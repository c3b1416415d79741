package admin_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestNewRefusesABadConfiguration(t *testing.T) {
	t.Parallel()
	cfg := settings("iggy://127.0.0.1:1")
	cfg.DialTimeout = 0
	_, err := admin.New(cfg)
	require.EqualError(t, err, "admin: iggy.dial_timeout: must be more than 0")
}

func TestCloseBeforeUseAndTwice(t *testing.T) {
	t.Parallel()
	a, err := admin.New(settings("iggy://127.0.0.1:1"))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", a.Address())
	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
	require.ErrorIs(t, a.Ping(context.Background()), iggyerr.ErrClosed)
	require.ErrorIs(t, a.SetOffsets(context.Background(), admin.Group{Stream: "s", Topic: "t", Name: "g"}, nil), iggyerr.ErrClosed)
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	a := newAdmin(t, settings(l.Addr().String()))
	err = a.Ping(newContext(t))
	var broken *iggyerr.ConnError
	require.ErrorAs(t, err, &broken)
	require.ErrorContains(t, err, l.Addr().String())
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		cfg.ClientSecret = config.NewSecret("wrong and secret")
		err := newAdmin(t, cfg).Ping(newContext(t))
		require.ErrorIs(t, err, iggyerr.ErrCredentials)
		require.NotContains(t, err.Error(), "wrong and secret")
	})
}

func TestPingAndServer(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		a := newAdmin(t, cfg)
		require.NoError(t, a.Ping(newContext(t)))
		server, err := a.Server(newContext(t))
		require.NoError(t, err)
		require.NotEmpty(t, server.Version)
		require.Positive(t, server.Clients)
	})
}

func TestStalledServerEndsARequestInTime(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	cfg := settings(server.Endpoint())
	cfg.RequestTimeout = 100 * time.Millisecond
	a := newAdmin(t, cfg)
	require.NoError(t, a.Ping(newContext(t)))

	stall := server.Inject(iggytest.Silence().On(embedded.GetTopic))
	err := a.Ping(newContext(t))
	require.ErrorContains(t, err, "no answer within the request timeout of 100ms")
	require.Equal(t, 2, stall.Count(), "a read is repeated once, on a new connection")
	stall.Remove()
	require.NoError(t, a.Ping(newContext(t)))
}

func TestContextFreesTheCaller(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	a := newAdmin(t, settings(server.Endpoint()))
	stall := server.Inject(iggytest.Silence().On(embedded.GetTopic))

	gone := errors.New("gone")
	first, cancelFirst := context.WithCancelCause(context.Background())
	done := make(chan error, 2)
	go func() { done <- a.Ping(first) }()
	stall.Wait(1)

	// The second one waits for its turn.
	second, cancelSecond := context.WithCancelCause(context.Background())
	cancelSecond(gone)
	require.ErrorIs(t, a.Ping(second), gone)

	cancelFirst(gone)
	require.ErrorIs(t, <-done, gone)
}

func TestCloseEndsARequest(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	a := newAdmin(t, settings(server.Endpoint()))
	stall := server.Inject(iggytest.Silence().On(embedded.GetTopic))
	done := make(chan error, 1)
	go func() { done <- a.Ping(context.Background()) }()
	stall.Wait(1)
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-done, iggyerr.ErrClosed)
}

func TestConnectionIsKeptAndReplaced(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	a := newAdmin(t, settings(server.Endpoint()))
	logins := server.Inject(iggytest.Observe().On(embedded.LoginUser))
	for range 3 {
		require.NoError(t, a.Ping(newContext(t)))
	}
	require.Equal(t, 1, logins.Count())

	server.Crash()
	require.Error(t, a.Ping(newContext(t)))
	server.Start()
	require.NoError(t, a.Ping(newContext(t)))
	require.Equal(t, 2, logins.Count())

	// Broken in the middle of a request: a read is repeated.
	server.Inject(iggytest.Cut().On(embedded.GetTopic).Times(1))
	require.NoError(t, a.Ping(newContext(t)))
	require.Equal(t, 3, logins.Count())
}

func TestGarbageIsAProtocolError(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	a := newAdmin(t, settings(server.Endpoint()))
	for _, frame := range [][]byte{
		[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		{0, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3}, // a body that is too short
	} {
		server.Inject(iggytest.Garbage(frame...).On(embedded.GetTopic).Times(2))
		_, _, err := a.Topic(newContext(t), "s", "t")
		require.ErrorIs(t, err, iggyerr.ErrProtocol)
	}
}

func TestInsecureTLSIsSaidLoudly(t *testing.T) {
	t.Parallel()
	server := iggytest.NewTLSServer(t)
	cfg := settings(server.Endpoint())
	cfg.TLS.Enabled, cfg.TLS.InsecureSkipVerify = true, true
	core, logs := observer.New(zap.WarnLevel)
	require.NoError(t, newAdmin(t, cfg, admin.WithLogger(zap.New(core))).Ping(newContext(t)))
	require.Equal(t, 1, logs.FilterMessage("the server's certificate is not verified").Len())

	cfg.TLS.InsecureSkipVerify = false
	require.ErrorContains(t, newAdmin(t, cfg).Ping(newContext(t)), "certificate")
}
