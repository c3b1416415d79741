package link_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// silentServer accepts one login, knows no clusters and answers no other request.
func silentServer(t *testing.T) (address string, requests <-chan struct{}) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	asked := make(chan struct{}, 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		nc, err := ln.Accept()
		_ = ln.Close()
		if err != nil {
			return
		}
		defer func() { _ = nc.Close() }()
		for first := true; ; first = false {
			var head [8]byte
			if _, err := io.ReadFull(nc, head[:]); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, nc, int64(binary.LittleEndian.Uint32(head[:]))-4); err != nil {
				return
			}
			if first {
				_, _ = nc.Write([]byte{0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0})
				continue
			}
			if code := binary.LittleEndian.Uint32(head[4:]); code == 12 {
				_, _ = nc.Write([]byte{5, 0, 0, 0, 0, 0, 0, 0}) // feature unavailable
				continue
			}
			asked <- struct{}{}
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return ln.Addr().String(), asked
}

// A stalled request ends the connection for all requests on it. The errors of the others are
// retryable and don't match iggyerr.ErrClosed.
func TestStalledRequestFailsOthersRetryably(t *testing.T) {
	t.Parallel()
	for _, kind := range []config.Transport{config.TransportNative, config.TransportSDK} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			address, asked := silentServer(t)
			cfg := settings()
			cfg.Endpoint, cfg.Transport, cfg.RequestTimeout = "iggy://"+address, kind, 500*time.Millisecond
			l, err := link.New("test", cfg)
			require.NoError(t, err)
			require.NoError(t, l.Start(t.Context()))
			defer func() { require.NoError(t, l.Stop(t.Context())) }()
			session, err := l.Session(t.Context())
			require.NoError(t, err)
			errs := make(chan error, 2)
			do := func() {
				errs <- session.Do(t.Context(), func(ctx context.Context, c transport.Conn) error { return c.Ping(ctx) })
			}
			go do()
			<-asked
			go do()
			for range 2 {
				err := <-errs
				require.NotErrorIs(t, err, iggyerr.ErrClosed)
				require.True(t, iggyerr.IsRetryable(err), "%v", err)
				require.ErrorContains(t, err, "no answer within the request timeout")
			}
		})
	}
}

func TestContextEndsTheRequestAndNotTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{ping: stall}
		l := startLink(t, server, nil)
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

func TestPanicBecomesAnErrorAndEndsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := startLink(t, &fakeServer{}, nil)
		session, err := l.Session(t.Context())
		require.NoError(t, err)
		err = session.Do(t.Context(), func(context.Context, transport.Conn) error { panic("index out of range") })
		require.ErrorIs(t, err, iggyerr.ErrPanic)
		require.ErrorContains(t, err, "session_test.go", "the stack is kept")
		<-session.Done()
		require.NoError(t, l.Stop(t.Context()))
	})
}

func TestStatusErrorKeepsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := startLink(t, &fakeServer{}, nil)
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
