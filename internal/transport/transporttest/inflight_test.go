package transporttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// With many callers on one connection, each gets the answer to its own request.
func testManyAtOnce(t *testing.T, b *serverSuite) {
	const callers, calls = 16, 10
	_, stream, topic := b.topic(t, callers)
	c := b.login(t)
	ctx := within(t)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			partition := uint32(i)
			who := transport.Consumer{Stream: stream, Topic: topic, Name: fmt.Sprintf("c%d", i)}
			for n := range calls {
				text := fmt.Sprintf("%d/%d", i, n)
				if !assert.NoError(t, c.Send(ctx, stream, topic, partition, batchOf(text))) {
					return
				}
				p, err := c.Poll(ctx, transport.Poll{Consumer: who, Partition: int64(partition), Strategy: transport.Strategy{Kind: transport.FromOffset, Value: uint64(n)}, Count: 5})
				if !assert.NoError(t, err) || !assert.Equal(t, text, payloads(p)) || !assert.Equal(t, partition, p.Partition) {
					return
				}
				assert.NoError(t, c.StoreOffset(ctx, who, partition, uint64(n)))
				o, err := c.Offset(ctx, who, partition)
				assert.NoError(t, err)
				assert.Equal(t, transport.Offset{Stored: true, Offset: uint64(n), CurrentOffset: uint64(n)}, o)
				assert.ErrorIs(t, c.Send(ctx, stream, topic, callers, batchOf("x")), iggyerr.ErrNotFound)
			}
		})
	}
	wg.Wait()
	got, err := c.Topic(ctx, stream, topic)
	require.NoError(t, err)
	for _, p := range got.Partitions {
		require.Equal(t, uint64(calls), p.Messages, "partition %d", p.ID)
	}
}

// A call with an ended context sends nothing.
func testEndedContext(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 1)
	c := b.login(t)
	cause := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	err := c.Send(ctx, stream, topic, 0, batchOf("x"))
	var conn *iggyerr.ConnError
	require.ErrorAs(t, err, &conn)
	require.False(t, conn.Sent)
	require.ErrorIs(t, err, cause)
	require.False(t, iggyerr.MayHaveEffect(err))
	require.Error(t, c.Ping(ctx))
	require.Error(t, c.Login(ctx, b.server.credentials()))
	requireUsable(t, c)
	require.Empty(t, poll(t, c, stream, topic, 0, transport.Strategy{Kind: transport.FromFirst}, 10).Messages)

	_, err = b.dialer.Dial(ctx, b.server.Address, nil)
	require.ErrorIs(t, err, cause)
	require.ErrorAs(t, err, &conn)
	require.False(t, conn.Sent)
}

// Contexts end at random moments of a send. The reported outcome is what happened, or unknown.
func testCancelSendAtRandom(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 1)
	confirmed, unsent, unknown := 0, 0, 0
	c := b.login(t)
	for i := range 200 {
		if c.Err() != nil {
			c = b.login(t)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*2*time.Microsecond)
		batch := batchOf("x")
		err := c.Send(ctx, stream, topic, 0, batch)
		cancel()
		// The call has returned, so its memory is the caller's again.
		batch.Reset()
		batch.Append([16]byte{1}, 1, []byte("y"), nil)
		switch {
		case err == nil:
			confirmed++
		case iggyerr.MayHaveEffect(err):
			require.ErrorIs(t, err, context.DeadlineExceeded)
			unknown++
		default:
			require.ErrorIs(t, err, context.DeadlineExceeded)
			unsent++
		}
	}
	require.NotZero(t, unsent)
	// The messages of cancelled requests may still be in flight.
	require.NoError(t, b.login(t).Send(within(t), stream, topic, 0, batchOf("x")))
	var stored int
	require.Eventually(t, func() bool {
		got := poll(t, b.login(t), stream, topic, 0, transport.Strategy{Kind: transport.FromFirst}, 1000)
		settled := len(got.Messages) == stored
		stored = len(got.Messages)
		for _, m := range got.Messages {
			require.Equal(t, "x", string(m.Payload))
		}
		return settled
	}, waitTimeout, waitTimeout/1000)
	require.GreaterOrEqual(t, stored, confirmed+1)
	require.LessOrEqual(t, stored, confirmed+unknown+1)
}

func testClose(t *testing.T, b *serverSuite) {
	c := b.login(t)
	select {
	case <-c.Done():
		require.Fail(t, "ended before Close")
	default:
	}
	require.NoError(t, c.Err())
	require.NoError(t, c.Close())
	requireDone(t, c)
	require.ErrorIs(t, c.Err(), iggyerr.ErrClosed)
	require.NoError(t, c.Close())
	err := c.Ping(within(t))
	require.ErrorIs(t, err, iggyerr.ErrClosed)
	require.False(t, iggyerr.MayHaveEffect(err))
	require.ErrorIs(t, c.Login(within(t), b.server.credentials()), iggyerr.ErrClosed)
	_, err = c.Topic(within(t), "s", "t")
	require.ErrorIs(t, err, iggyerr.ErrClosed)
}

// When Close is called while calls are in flight, all of them return.
func testCloseInFlight(t *testing.T, b *serverSuite) {
	c := b.login(t)
	ctx := within(t)
	served := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				err := c.Ping(ctx)
				if err != nil {
					assert.ErrorIs(t, err, iggyerr.ErrClosed)
					return
				}
				select {
				case served <- struct{}{}:
				default:
				}
			}
		})
	}
	<-served
	for range 3 {
		wg.Go(func() { assert.NoError(t, c.Close()) })
	}
	wg.Wait()
	require.ErrorIs(t, c.Err(), iggyerr.ErrClosed)
}
