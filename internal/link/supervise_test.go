package link_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestStalledServerIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{ping: stall}
		l := startLink(t, server, nil)
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

func TestReconnectsWithExponentialBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := startLink(t, server, nil)
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
		l := startLink(t, server, nil)
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
		l := startLink(t, server, nil)
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

// A server that evicts clients without heartbeats counts nothing but pings.
func TestBusyConnectionGetsHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := startLink(t, server, nil)
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

// The breaker's library divides by a threshold of 0.
func TestBreakerWithZeroFailuresNeverOpens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{}
		l := startLink(t, server, func(c *config.Iggy) {
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
