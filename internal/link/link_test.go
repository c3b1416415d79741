package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func settings() config.Iggy {
	cfg := config.Default().Iggy
	cfg.ClientID, cfg.ClientSecret = "iggy", config.NewSecret("iggy")
	cfg.RequestTimeout = 2 * time.Second
	cfg.Reconnect = config.Backoff{BaseBackoff: 100 * time.Millisecond, MaxBackoff: 800 * time.Millisecond}
	cfg.Breaker = config.Breaker{Failures: 1000, Delay: time.Second}
	return cfg
}

func newLink(t *testing.T, server *fakeServer, change func(*config.Iggy)) *link.Link {
	t.Helper()
	cfg := settings()
	if change != nil {
		change(&cfg)
	}
	l, err := link.New("test", cfg, link.WithDialer(server))
	require.NoError(t, err)
	return l
}

func startLink(t *testing.T, server *fakeServer, change func(*config.Iggy)) *link.Link {
	t.Helper()
	l := newLink(t, server, change)
	require.NoError(t, l.Start(t.Context()))
	return l
}

func ping(ctx context.Context, c transport.Conn) error { return c.Ping(ctx) }

func TestNewNamesTheFaultyKey(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*config.Iggy)
		want   string
	}{
		"endpoint":  {func(c *config.Iggy) { c.Endpoint = "http://x" }, "iggy.endpoint"},
		"secret":    {func(c *config.Iggy) { c.ClientSecret = config.Secret{} }, "iggy.client_secret"},
		"transport": {func(c *config.Iggy) { c.Transport = "quic" }, "iggy.transport"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings()
			tt.change(&cfg)
			_, err := link.New("test", cfg)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestStartWaitsForTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{dialErr: errRefused}
		l := newLink(t, server, nil)
		result := make(chan error)
		go func() { result <- l.Start(t.Context()) }()
		synctest.Wait()
		require.Equal(t, link.StateConnecting, l.Status().State)
		server.set(func(f *fakeServer) { f.dialErr = nil })
		require.NoError(t, <-result)
		require.Equal(t, link.StateReady, l.Status().State)
		require.NoError(t, l.Start(t.Context()), "a second start does nothing")
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestStartTimeoutNamesTheAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		l := newLink(t, &fakeServer{dialErr: errRefused}, nil)
		err := l.Start(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrNotConnected)
		require.ErrorIs(t, err, errRefused)
		require.ErrorContains(t, err, fakeAddress)
		require.Equal(t, config.Default().Iggy.StartTimeout, time.Since(begin))
		require.ErrorIs(t, l.Start(t.Context()), iggyerr.ErrClosed)
	})
}

func TestStartFailsAtOnceForPermanentErrors(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]error{
		"credentials": &iggyerr.StatusError{Op: "login", Status: iggyerr.StatusInvalidCredentials},
		"protocol":    iggyerr.ErrProtocol,
		"certificate": &iggyerr.ConnError{Op: "login", Sent: true, Err: fmt.Errorf("%w: bad certificate", iggyerr.ErrTLS)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				l := newLink(t, &fakeServer{loginErr: refusal}, nil)
				require.ErrorIs(t, l.Start(t.Context()), refusal)
				require.Zero(t, time.Since(begin))
			})
		})
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, newLink(t, &fakeServer{}, nil).Stop(t.Context()), "before start")

		server := &fakeServer{}
		l := startLink(t, server, nil)
		server.set(func(f *fakeServer) { f.dialErr = errRefused })
		server.last().cut(errors.New("reset by peer"))
		synctest.Wait()
		waiting := make(chan error)
		go func() {
			_, err := l.Session(context.Background())
			waiting <- err
		}()
		synctest.Wait()
		require.NoError(t, l.Stop(t.Context()))
		require.ErrorIs(t, <-waiting, iggyerr.ErrClosed)
		require.NoError(t, l.Stop(t.Context()), "twice")
		require.ErrorIs(t, l.Start(t.Context()), iggyerr.ErrClosed)
		require.ErrorIs(t, l.Do(t.Context(), ping), iggyerr.ErrClosed)
		require.Equal(t, link.StateClosed, l.Status().State)
	})
}

func TestSessionWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := startLink(t, server, nil)
		server.set(func(f *fakeServer) { f.dialErr = errRefused })
		server.last().cut(errors.New("reset by peer"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := l.Session(ctx)
		require.ErrorIs(t, err, iggyerr.ErrNotConnected)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errRefused)
		require.False(t, iggyerr.MayHaveEffect(err))
		require.NoError(t, l.Stop(t.Context()))
	})
}

// A first connection that ends before Start has seen it is replaced and does not fail Start.
func TestFirstConnectionLostDuringStartIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := startLink(t, server, nil)
		server.last().cut(io.EOF)
		synctest.Wait()
		lost := l.Status().LastError
		require.ErrorIs(t, lost, io.EOF)
		require.True(t, iggyerr.IsRetryable(lost), "%v", lost)
		require.ErrorContains(t, lost, fakeAddress)
		require.NoError(t, l.Stop(t.Context()))
	})
}
