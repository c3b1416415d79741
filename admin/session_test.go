package admin_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestRequestTimeoutEndsStalledRequest(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	cfg := settings(server.Address())
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

func TestContextEndsCall(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	a := newAdmin(t, settings(server.Address()))
	stall := server.Inject(iggytest.Silence().On(embedded.GetTopic))

	gone := errors.New("gone")
	first, cancelFirst := context.WithCancelCause(context.Background())
	done := make(chan error, 2)
	go func() { done <- a.Ping(first) }()
	stall.Wait(1)

	// The second call waits for the first one.
	second, cancelSecond := context.WithCancelCause(context.Background())
	cancelSecond(gone)
	require.ErrorIs(t, a.Ping(second), gone)

	cancelFirst(gone)
	require.ErrorIs(t, <-done, gone)
}

func TestCloseEndsRequest(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	a := newAdmin(t, settings(server.Address()))
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
	a := newAdmin(t, settings(server.Address()))
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

	// The connection breaks during a request: a read is repeated.
	server.Inject(iggytest.Cut().On(embedded.GetTopic).Times(1))
	require.NoError(t, a.Ping(newContext(t)))
	require.Equal(t, 3, logins.Count())
}

func TestGarbageIsProtocolError(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	a := newAdmin(t, settings(server.Address()))
	for _, frame := range [][]byte{
		[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		{0, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3}, // a body that is too short
	} {
		server.Inject(iggytest.Garbage(frame...).On(embedded.GetTopic).Times(2))
		_, _, err := a.Topic(newContext(t), "s", "t")
		require.ErrorIs(t, err, iggyerr.ErrProtocol)
	}
}

func TestInsecureTLSIsLogged(t *testing.T) {
	t.Parallel()
	server := iggytest.NewTLSServer(t)
	cfg := settings(server.Address())
	cfg.TLS.Enabled, cfg.TLS.InsecureSkipVerify = true, true
	core, logs := observer.New(zap.WarnLevel)
	require.NoError(t, newAdmin(t, cfg, admin.WithLogger(zap.New(core))).Ping(newContext(t)))
	require.Equal(t, 1, logs.FilterMessage("the server's certificate is not verified").Len())

	cfg.TLS.InsecureSkipVerify = false
	require.ErrorContains(t, newAdmin(t, cfg).Ping(newContext(t)), "certificate")
}
