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
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

func started(t *testing.T, server *fakeServer, change func(*config.Iggy)) *link.Link {
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
		"transport": {func(c *config.Iggy) { c.Transport = "carrier pigeon" }, "iggy.transport"},
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

func TestStartGivesUpAndNamesTheAddress(t *testing.T) {
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

func TestStartFailsAtOnceWhereWaitingIsUseless(t *testing.T) {
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

func TestStalledServerIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{ping: stall}
		l := started(t, server, nil)
		first, err := l.Session(t.Context())
		require.NoError(t, err)

		begin := time.Now()
		err = first.Do(t.Context(), ping)
		var conn *iggyerr.ConnError
		require.ErrorAs(t, err, &conn)
		require.True(t, iggyerr.IsRetryable(err))
		require.Equal(t, settings().RequestTimeout, time.Since(begin))
		<-first.Done()

		server.set(func(f *fakeServer) { f.ping = nil })
		second, err := l.Session(t.Context())
		require.NoError(t, err)
		require.Equal(t, first.Generation()+1, second.Generation())
		require.NoError(t, second.Do(t.Context(), ping))
		require.EqualValues(t, 1, l.Status().Reconnects)
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestCallersContextEndsTheCallAndNotTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{ping: stall}
		l := started(t, server, nil)
		session, err := l.Session(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begin := time.Now()
		require.ErrorIs(t, session.Do(ctx, ping), context.DeadlineExceeded)
		require.Equal(t, time.Millisecond, time.Since(begin))
		require.NoError(t, session.Err())

		called := false
		require.ErrorIs(t, session.Do(ctx, func(context.Context, transport.Conn) error { called = true; return nil }), context.DeadlineExceeded)
		require.False(t, called, "a context that has ended starts no request")
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestReconnectsWithExponentialBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := started(t, server, nil)
		server.set(func(f *fakeServer) { f.dialErr = errRefused })
		server.last().cut(errors.New("reset by peer"))
		time.Sleep(4 * time.Second) // the bubble's clock
		var pauses []time.Duration
		dials := server.dialTimes()
		for i := 2; i < len(dials); i++ {
			pauses = append(pauses, dials[i].Sub(dials[i-1]))
		}
		ms := time.Millisecond
		require.Equal(t, []time.Duration{200 * ms, 400 * ms, 800 * ms, 800 * ms, 800 * ms}, pauses[:5])
		require.ErrorIs(t, l.Status().LastError, errRefused)

		server.set(func(f *fakeServer) { f.dialErr = nil })
		_, err := l.Session(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestServerThatCutsEachConnectionIsNotDialledInAHotLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := started(t, server, nil)
		stop := time.Now().Add(8 * time.Second)
		for time.Now().Before(stop) {
			session, err := l.Session(t.Context())
			require.NoError(t, err)
			require.NoError(t, session.Do(t.Context(), ping), "each connection serves a request")
			server.last().cut(errors.New("reset by peer"))
			<-session.Done()
			synctest.Wait()
		}
		require.Less(t, len(server.dialTimes()), 15)
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestHeartbeatNoticesAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := started(t, server, nil)
		session, err := l.Session(t.Context())
		require.NoError(t, err)
		first := server.last()

		time.Sleep(settings().HeartbeatInterval + time.Millisecond)
		require.Equal(t, 1, first.pinged())
		require.NoError(t, session.Err())

		server.set(func(f *fakeServer) { f.ping = stall })
		begin := time.Now()
		<-session.Done()
		require.LessOrEqual(t, time.Since(begin), 2*settings().HeartbeatInterval+settings().RequestTimeout)
		require.NoError(t, l.Stop(t.Context()))
	})
}

// A server that evicts clients without heartbeats counts pings and nothing else.
func TestBusyConnectionGetsHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := started(t, server, nil)
		session, err := l.Session(t.Context())
		require.NoError(t, err)
		for range 10 {
			require.NoError(t, session.Do(t.Context(), func(context.Context, transport.Conn) error { return nil }))
			time.Sleep(settings().HeartbeatInterval / 2)
		}
		require.GreaterOrEqual(t, server.last().pinged(), 4)
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestPanicBecomesAnErrorAndEndsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := started(t, &fakeServer{}, nil)
		session, err := l.Session(t.Context())
		require.NoError(t, err)
		err = session.Do(t.Context(), func(context.Context, transport.Conn) error { panic("index out of range") })
		require.ErrorIs(t, err, iggyerr.ErrPanic)
		require.ErrorContains(t, err, "link_test.go", "the stack is kept")
		<-session.Done()
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestStatusErrorLeavesTheSessionAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := started(t, &fakeServer{}, nil)
		session, err := l.Session(t.Context())
		require.NoError(t, err)
		refused := &iggyerr.StatusError{Op: "send", Status: iggyerr.StatusTopicNotFound}
		require.ErrorIs(t, session.Do(t.Context(), func(context.Context, transport.Conn) error { return refused }), refused)
		require.NoError(t, session.Err())

		forgotten := &iggyerr.StatusError{Op: "send", Status: iggyerr.StatusUnauthenticated}
		require.ErrorIs(t, session.Do(t.Context(), func(context.Context, transport.Conn) error { return forgotten }), forgotten)
		<-session.Done()
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestBreakerOpensAndShows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := started(t, server, func(c *config.Iggy) {
			c.Breaker = config.Breaker{Failures: 3, Delay: time.Minute}
		})
		require.Equal(t, "closed", l.Status().Breaker)
		server.set(func(f *fakeServer) { f.dialErr = errRefused })
		server.last().cut(errors.New("reset by peer"))
		time.Sleep(30 * time.Second)
		require.Equal(t, "open", l.Status().Breaker)
		dials := len(server.dialTimes())
		server.set(func(f *fakeServer) { f.dialErr = nil })
		time.Sleep(20 * time.Second)
		require.Len(t, server.dialTimes(), dials, "an open breaker tries nothing")

		session, err := l.Session(t.Context())
		require.NoError(t, err)
		require.NoError(t, session.Do(t.Context(), ping))
		require.Equal(t, "closed", l.Status().Breaker)
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, newLink(t, &fakeServer{}, nil).Stop(t.Context()), "before start")

		server := &fakeServer{}
		l := started(t, server, nil)
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

func TestSessionWaitsAsLongAsItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := started(t, server, nil)
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

// A threshold of 0 once made the breaker's library divide by it.
func TestBreakerMayBeOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := started(t, server, func(c *config.Iggy) {
			c.Breaker = config.Breaker{Failures: 0, Delay: time.Minute}
		})
		server.set(func(f *fakeServer) { f.dialErr = errRefused })
		server.last().cut(errors.New("reset by peer"))
		time.Sleep(30 * time.Second)
		require.Equal(t, "closed", l.Status().Breaker)
		server.set(func(f *fakeServer) { f.dialErr = nil })
		_, err := l.Session(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.Stop(t.Context()))
	})
}

// A first connection that ends before Start has seen it must be replaced like any other, and not fail the start.
func TestLostConnectionIsWorthAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := started(t, server, nil)
		server.last().cut(io.EOF)
		synctest.Wait()
		lost := l.Status().LastError
		require.ErrorIs(t, lost, io.EOF)
		require.True(t, iggyerr.IsRetryable(lost), "%v", lost)
		require.ErrorContains(t, lost, fakeAddress)
		require.NoError(t, l.Stop(t.Context()))
	})
}
