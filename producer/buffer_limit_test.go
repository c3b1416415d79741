package producer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// A message that can never fit must not hold room, even for a moment: a caller that found no room
// then would wait for an outcome that never comes.
func TestRefusedMessagesBlockNoWaiter(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.partitions("t", 1)
	p := start(t, s, func(c *config.Producer) { c.MaxBufferedMessages, c.MaxBufferedBytes = 1, 4096 })
	var refused sync.WaitGroup
	ended := make(chan struct{})
	large := message("k", string(make([]byte, 5000)))
	for range 4 {
		refused.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					_, _ = p.Send(t.Context(), large)
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	var err error
	for i := 0; i < 20_000 && err == nil; i++ {
		_, err = p.Send(ctx, message("k", "x"))
	}
	close(ended)
	refused.Wait()
	require.NoError(t, err)
	require.ErrorIs(t, errOf(p.Send(t.Context(), large)), iggyerr.ErrTooLarge)
	require.NoError(t, p.Stop(t.Context()))
}

func TestBufferLimits(t *testing.T) {
	t.Parallel()
	size := int64(wire.EncodedSize(100, 0))
	big := func() producer.Message { return message("k", string(make([]byte, 100))) }
	for name, change := range map[string]func(*config.Producer){
		"of bytes":    func(c *config.Producer) { c.MaxBufferedBytes = config.Bytes(10*size + size/2) },
		"of messages": func(c *config.Producer) { c.MaxBufferedMessages = 10 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
				s.set(func() { s.delay = time.Second })
				for range 10 {
					p.SendAsync(t.Context(), big(), nil)
				}
				require.Equal(t, 10*size, p.Status().BufferedBytes, "also what is in flight")
				require.EqualValues(t, 10, p.Status().BufferedMessages)

				ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
				defer cancel()
				_, err := p.Send(ctx, big())
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, "room in the producer's buffer")
				require.Equal(t, producer.Failed, producer.OutcomeOf(err))

				started := time.Now()
				p.SendAsync(t.Context(), big(), nil)
				require.Equal(t, time.Second/2, time.Since(started), "the first answer makes room")
				require.NoError(t, p.Flush(t.Context()))
				require.Zero(t, p.Status().BufferedBytes)
				require.Zero(t, p.Status().BufferedMessages)
				require.Len(t, s.stored("t", wire.PartitionOf("k", 4)), 11)
			})
		})
		t.Run(name+", fail", func(t *testing.T) {
			t.Parallel()
			change := func(c *config.Producer) { change(c); c.WhenFull = config.WhenFullFail }
			run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
				s.set(func() { s.delay = time.Second })
				for range 10 {
					p.SendAsync(t.Context(), big(), nil)
				}
				started := time.Now()
				require.ErrorIs(t, errOf(p.Send(t.Context(), big())), iggyerr.ErrBufferFull)
				require.Zero(t, time.Since(started))
				require.NoError(t, p.Flush(t.Context()))
				require.NoError(t, errOf(p.Send(t.Context(), big())))
			})
		})
	}
	t.Run("a message over the limit", func(t *testing.T) {
		t.Parallel()
		run(t, func(c *config.Producer) { c.MaxBufferedBytes = 100 }, func(t *testing.T, _ *server, p *producer.Producer) {
			_, err := p.Send(t.Context(), big())
			require.ErrorIs(t, err, iggyerr.ErrTooLarge)
			require.ErrorContains(t, err, "producer.max_buffered_bytes")
		})
	})
	t.Run("a message over the batch size travels alone", func(t *testing.T) {
		t.Parallel()
		run(t, func(c *config.Producer) { c.MaxBatchBytes = 200 }, func(t *testing.T, s *server, p *producer.Producer) {
			require.NoError(t, p.SendAll(t.Context(), message("k", "1"), message("k", string(make([]byte, 1000))), message("k", "2")))
			require.Equal(t, 3, s.count(&s.requests))
		})
	})
	t.Run("lingering batches don't block", func(t *testing.T) {
		t.Parallel()
		change := func(c *config.Producer) {
			c.MaxBufferedMessages = 3
			c.Linger = time.Hour
			c.DeliveryTimeout = 2 * time.Hour
		}
		run(t, change, func(t *testing.T, _ *server, p *producer.Producer) {
			started := time.Now()
			for range 10 {
				p.SendAsync(t.Context(), big(), nil)
			}
			require.NoError(t, p.Flush(t.Context()))
			require.Zero(t, time.Since(started))
		})
	})
	t.Run("room is given in the order of asking", func(t *testing.T) {
		t.Parallel()
		run(t, func(c *config.Producer) { c.MaxBufferedMessages = 1 }, func(t *testing.T, s *server, p *producer.Producer) {
			s.set(func() { s.delay = time.Second })
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() { p.SendAsync(t.Context(), message("k", fmt.Sprint(i)), nil) })
				synctest.Wait()
			}
			wg.Wait()
			require.NoError(t, p.Flush(t.Context()))
			require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, s.payloads("t", wire.PartitionOf("k", 4)))
		})
	})
}
