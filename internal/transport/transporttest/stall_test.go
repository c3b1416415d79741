package transporttest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// shortTime is how long calls to a silent peer wait.
const shortTime = 50 * time.Millisecond

func shortContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), shortTime)
	t.Cleanup(cancel)
	return ctx
}

func connErrorOf(t *testing.T, err error) *iggyerr.ConnError {
	t.Helper()
	var conn *iggyerr.ConnError
	require.ErrorAs(t, err, &conn)
	return conn
}

func requireConnError(t *testing.T, err error) {
	t.Helper()
	var conn *iggyerr.ConnError
	require.ErrorAs(t, err, &conn)
}

// A refused port is an error at once.
func testRefused(t *testing.T, p *peerSuite) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := ln.Addr().String()
	require.NoError(t, ln.Close())
	start := time.Now()
	_, err = p.dialer.Dial(within(t), address, nil)
	require.Less(t, time.Since(start), waitTimeout)
	conn := connErrorOf(t, err)
	require.Equal(t, address, conn.Addr)
	require.False(t, conn.Sent)
	require.True(t, iggyerr.IsRetryable(err))
	_, err = p.dialer.Dial(within(t), "no port", nil)
	requireConnError(t, err)
}

// The peer accepts the connection and sends nothing where TLS has to begin.
func testSilentHandshake(t *testing.T, p *peerSuite) {
	address := p.start(t, (*peer).drain)
	_, err := p.dialer.Dial(shortContext(t), address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, connErrorOf(t, err).Sent)
}

// Contexts end at random moments of a dial. Nothing is left behind.
func testCancelDialAtRandom(t *testing.T, p *peerSuite) {
	address := p.start(t, (*peer).drain)
	for i := range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*10*time.Microsecond)
		c, err := p.dialer.Dial(ctx, address, nil)
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.False(t, connErrorOf(t, err).Sent)
			continue
		}
		require.NoError(t, c.Err())
		require.NoError(t, c.Close())
	}
}

// endWhen returns a context that ends with this cause when asked is closed.
func endWhen(t *testing.T, asked <-chan struct{}, cause error) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-asked:
			cancel(cause)
		case <-ctx.Done():
		}
	}()
	t.Cleanup(func() { cancel(nil); <-ended })
	return ctx
}

// The server reads and never answers.
func testStalled(t *testing.T, p *peerSuite) {
	asked := make(chan struct{})
	c := p.dial(t, func(s *peer) {
		if _, _, err := s.request(); err == nil {
			close(asked)
			s.drain()
		}
	})
	err := c.Ping(endWhen(t, asked, context.DeadlineExceeded))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, connErrorOf(t, err).Sent)
	require.True(t, iggyerr.MayHaveEffect(err))
	if !p.traits.keepsAfterCancel {
		requireDone(t, c)
		return
	}
	require.NoError(t, c.Err())
	err = c.Ping(shortContext(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, c.Close(), "close does not wait for the server")
}

// An answer that comes after its call has returned is discarded.
func testLateAnswer(t *testing.T, p *peerSuite) {
	if !p.traits.keepsAfterCancel {
		t.Skip("the connection does not outlive an ended context")
	}
	asked, gone := make(chan struct{}), make(chan struct{})
	c := p.dial(t, func(s *peer) {
		if _, _, err := s.request(); err != nil {
			return
		}
		close(asked)
		<-gone
		s.answer(0, polledOf(1, "late"))
		for partition := uint32(2); ; partition++ {
			if _, _, err := s.request(); err != nil {
				return
			}
			s.answer(0, polledOf(partition, "in time"))
		}
	})
	ask := transport.Poll{Consumer: transport.Consumer{Stream: "s", Topic: "t", Name: "c"}, Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 1}
	_, err := c.Poll(endWhen(t, asked, context.Canceled), ask)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, connErrorOf(t, err).Sent)
	behind := make(chan *transport.Polled, 1)
	go func() {
		got, err := c.Poll(within(t), ask)
		assert.NoError(t, err)
		behind <- got
	}()
	close(gone)
	require.Equal(t, uint32(2), (<-behind).Partition)
	got, err := c.Poll(within(t), ask)
	require.NoError(t, err)
	require.Equal(t, uint32(3), got.Partition)
	require.Equal(t, "in time", payloads(got))
}

// A peer does not read: the write blocks and ends with its context. The caller may use the memory
// of the batch again when the call returns.
func testDoesNotRead(t *testing.T, p *peerSuite) {
	release := make(chan struct{})
	c := p.dial(t, func(*peer) { <-release })
	defer close(release)
	var batch wire.Batch
	batch.Append([16]byte{1}, 1, make([]byte, 16<<20), nil)
	var wg sync.WaitGroup
	for range 3 { // the others wait for their turn
		wg.Go(func() {
			var conn *iggyerr.ConnError
			err := c.Ping(shortContext(t))
			if assert.ErrorAs(t, err, &conn) && !conn.Sent {
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			}
		})
	}
	err := c.Send(shortContext(t), "s", "t", 0, &batch)
	clearBatch(&batch)
	wg.Wait()
	conn := connErrorOf(t, err)
	require.False(t, conn.Sent, "the request did not go out whole")
	require.False(t, iggyerr.MayHaveEffect(err))
	for c.Err() == nil {
		// Nothing of it was written: the context ended before its turn.
		err = c.Send(shortContext(t), "s", "t", 0, &batch)
		require.False(t, connErrorOf(t, err).Sent)
	}
	requireDone(t, c)
}

// Calls that wait to write end with their contexts and don't affect others.
func testWaitToWrite(t *testing.T, p *peerSuite) {
	hold := make(chan struct{})
	asked := make(chan struct{})
	c := p.dial(t, func(s *peer) {
		if _, _, err := s.request(); err != nil {
			return
		}
		close(asked)
		<-hold
		s.answer(0, nil)
		s.serveAll(nil)
	})
	first := make(chan error, 1)
	go func() { first <- c.Ping(within(t)) }()
	<-asked
	cause := errors.New("no time to wait")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeoutCause(t.Context(), shortTime, cause)
			defer cancel()
			var conn *iggyerr.ConnError
			err := c.Ping(ctx)
			assert.ErrorIs(t, err, cause)
			assert.ErrorAs(t, err, &conn)
		})
	}
	wg.Wait()
	close(hold)
	require.NoError(t, <-first)
	requireUsable(t, c)
}

// The cause of a context is the cause of the error.
func testCauses(t *testing.T, p *peerSuite) {
	asked := make(chan struct{})
	c := p.dial(t, func(s *peer) {
		if _, _, err := s.request(); err == nil {
			close(asked)
			s.drain()
		}
	})
	cause := errors.New("the owner stops")
	err := c.Ping(endWhen(t, asked, cause))
	require.ErrorIs(t, err, cause)
	require.True(t, connErrorOf(t, err).Sent)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(iggyerr.ErrClosed)
	err = c.Ping(ctx)
	require.ErrorIs(t, err, iggyerr.ErrClosed)
	require.False(t, iggyerr.MayHaveEffect(err))
	require.False(t, iggyerr.IsRetryable(err))
}

// An answer may come in single bytes.
func testSingleBytes(t *testing.T, p *peerSuite) {
	body := polledOf(3, "one", "two")
	c := p.dial(t, func(s *peer) {
		for {
			if _, _, err := s.request(); err != nil {
				return
			}
			for _, b := range answerOf(0, body) {
				if _, err := s.Write([]byte{b}); err != nil {
					return
				}
			}
		}
	})
	for _, maxBytes := range []int{0, 1, 100} {
		got, err := c.Poll(within(t), transport.Poll{
			Consumer: transport.Consumer{Stream: "s", Topic: "t", Name: "c"},
			Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 10, MaxBytes: maxBytes,
		})
		require.NoError(t, err)
		require.Equal(t, uint32(3), got.Partition)
		const all = "onetwo"
		require.True(t, strings.HasPrefix(all, payloads(got)))
		require.Equal(t, maxBytes > 0, got.Truncated)
	}
}
