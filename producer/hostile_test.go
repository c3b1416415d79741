package producer_test

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// A refused message's callback runs in the caller's goroutine, whose panic it must not become.
func TestPanicInCallbackOfRefusedMessage(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.partitions("t", 1)
	p := start(t, s, nil)
	defer func() { require.NoError(t, p.Stop(context.Background())) }()
	calls := 0
	require.NotPanics(t, func() {
		p.SendAsync(t.Context(), message("k", ""), func(producer.Result) { calls++; panic("callback") })
	})
	require.Equal(t, 1, calls)
	var failure *iggyerr.PanicError
	require.ErrorAs(t, p.Status().LastError, &failure)
}

// A panic in a partitioner must not keep the room that its message has taken.
func TestPanicInPartitioner(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.partitions("t", 1)
	p := start(t, s, nil, producer.WithPartitioner(func(string, string, string, uint32) uint32 { panic("partitioner") }))
	defer func() { require.NoError(t, p.Stop(context.Background())) }()
	var failure *iggyerr.PanicError
	err := p.Send(t.Context(), message("k", "x"))
	require.ErrorAs(t, err, &failure)
	require.Equal(t, producer.Failed, producer.OutcomeOf(err))
	status := p.Status()
	require.Zero(t, status.BufferedBytes)
	require.Zero(t, status.BufferedMessages)
}

// A callback or a partitioner that ended its goroutine, as a test's FailNow does, once took the
// partition's sender with it: the messages behind it had no outcome, and Stop hung.
func TestGoexitInCallback(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(s *server){
		"confirmed": func(*server) {},
		"given up":  func(s *server) { s.faults = always(forbids) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
				s.set(func() { s.delay = time.Second; spoil(s) })
				got := make(outcomes, 100)
				for i := range 100 {
					p.SendAsync(t.Context(), message("k", strconv.Itoa(i)), func(r producer.Result) {
						got <- r
						if i%7 == 0 {
							runtime.Goexit()
						}
					})
				}
				require.NoError(t, p.Flush(t.Context()))
				require.Len(t, got, 100)
				require.ErrorContains(t, p.Status().LastError, "Goexit")
				require.Zero(t, p.Status().BufferedMessages)
				began := time.Now()
				_ = p.Stop(t.Context())
				require.Zero(t, time.Since(began))
			})
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				p.SendAsync(t.Context(), message("k", ""), func(producer.Result) { runtime.Goexit() })
			}()
			<-ended
			require.ErrorContains(t, p.Status().LastError, "Goexit")
		})
	})
}

// A sender whose goroutine a callback ends is replaced: nothing is told twice, and the order stays.
func TestGoexitInEachCallback(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.MaxBatchMessages, c.DeliveryTimeout = 3, time.Hour }, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(func(string, uint32, [][16]byte) fault { return []fault{works, refuses, works, cutStored}[s.requests%4] })
		var mu sync.Mutex
		var sent, told []string
		for i := range 200 {
			payload := strconv.Itoa(i)
			sent = append(sent, payload)
			p.SendAsync(t.Context(), message("k", payload), func(producer.Result) {
				mu.Lock()
				told = append(told, payload)
				mu.Unlock()
				switch i % 3 {
				case 0:
					runtime.Goexit()
				case 1:
					defer runtime.Goexit()
					panic("first")
				default:
					defer func() { panic("last") }()
					runtime.Goexit()
				}
			})
			if i%10 == 0 {
				synctest.Wait()
			}
		}
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, sent, told)
		require.Equal(t, sent, distinct(s.payloads("t", wire.PartitionOf("k", 4))))
		require.Zero(t, p.Status().BufferedBytes)
		require.EqualValues(t, 200, p.Status().Confirmed)

		s.fail(always(works))
		p.SendAsync(t.Context(), message("k", "last"), func(producer.Result) { runtime.Goexit() })
		require.NoError(t, p.Stop(t.Context()))
	})
}

// distinct drops what was there before.
func distinct(all []string) (kept []string) {
	seen := map[string]bool{}
	for _, s := range all {
		if !seen[s] {
			kept = append(kept, s)
		}
		seen[s] = true
	}
	return kept
}

func TestGoexitInPartitioner(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, _ *server, p *producer.Producer) {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = p.SendAll(t.Context(), message("good", "x"), message("bad", "x"))
		}()
		<-ended
		require.NoError(t, p.Flush(t.Context()))
		require.Zero(t, p.Status().BufferedBytes)
		require.Zero(t, p.Status().BufferedMessages)
		require.EqualValues(t, 1, p.Status().Confirmed)
	}, producer.WithPartitioner(func(_, _, key string, _ uint32) uint32 {
		if key == "bad" {
			runtime.Goexit()
		}
		return 0
	}))
}

// A panic in the midst of a PublishAll once left the messages before it in a partition whose sender
// was never woken, for this message or any other.
func TestPanicWhilePublishingSeveral(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		pub := producer.For(p, topic.New("s", "t", topic.Bytes(), topic.Key(func(b []byte) string { return string(b[:1]) })))
		require.Panics(t, func() { _ = pub.PublishAll(t.Context(), [][]byte{[]byte("k1"), []byte("k2"), nil}) })
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, []string{"k1", "k2"}, s.payloads("t", wire.PartitionOf("k", 4)))
	})
}

// Whoever sends while the producer stops is either confirmed or refused, and the stop does not take
// the refused ones for its own losses.
func TestStopDuringSends(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.partitions("t", 4)
	s.set(func() { s.delay = time.Millisecond })
	p := start(t, s, nil)
	var (
		wg        sync.WaitGroup
		mu        sync.Mutex
		confirmed int
		errs      []error
	)
	for g := range 100 {
		wg.Go(func() {
			for {
				err := p.Send(context.Background(), message(strconv.Itoa(g), "x"))
				mu.Lock()
				if err == nil {
					confirmed++
				} else {
					errs = append(errs, err)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	s.await(t, func() bool { return len(s.log("t")) > 200 })
	require.NoError(t, p.Stop(context.Background()))
	wg.Wait()
	require.Len(t, s.log("t"), confirmed)
	require.Len(t, errs, 100)
	for _, err := range errs {
		var send *producer.SendError
		require.ErrorAs(t, err, &send)
		require.ErrorIs(t, err, iggyerr.ErrClosed)
		require.Zero(t, send.Attempts)
	}
	require.EqualValues(t, 100, p.Status().Failed)
}

// A stop does not wait for the start timeout of a server that is away.
func TestStopEndsStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.cut()
		cluster, cfg := settings(nil)
		p, err := producer.New(cluster, cfg, producer.WithDialer(s))
		require.NoError(t, err)
		started := make(chan error, 1)
		go func() { started <- p.Start(context.Background()) }()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, p.Stop(context.Background()))
		require.ErrorIs(t, <-started, iggyerr.ErrClosed)
		require.Less(t, time.Since(began), time.Second)
	})
}

// A callback that waits for a message behind its own one blocks its partition. The stop ends that:
// each message has its outcome all the same.
func TestSendWithinCallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.partitions("t", 1)
		p := start(t, s, nil)
		inner := make(chan error, 1)
		p.SendAsync(context.Background(), message("k", "outer"), func(producer.Result) {
			inner <- p.Send(context.Background(), message("k", "inner"))
		})
		synctest.Wait()
		var left *producer.StopError
		require.ErrorAs(t, p.Stop(context.Background()), &left)
		require.Equal(t, []producer.Remainder{{Stream: "s", Topic: "t", Failed: 1}}, left.Remainders)
		err := <-inner
		require.ErrorIs(t, err, iggyerr.ErrClosed)
		require.Equal(t, producer.Failed, producer.OutcomeOf(err))
		require.Equal(t, []string{"outer"}, s.payloads("t", 0))
		synctest.Wait()
		require.Zero(t, p.Status().BufferedMessages)
	})
}

// max_retries holds for a partition, too, that the metadata knows and the server refuses.
func TestRetriesOfAbsentPartitionAreBounded(t *testing.T) {
	t.Parallel()
	for _, retries := range []int{0, 2} {
		t.Run(strconv.Itoa(retries), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				s.partitions("t", 1)
				p := start(t, s, func(c *config.Producer) { c.Retry.MaxRetries = retries })
				s.fail(always(lacks))
				err := p.Send(t.Context(), message("k", "x"))
				var send *producer.SendError
				require.ErrorAs(t, err, &send)
				require.ErrorIs(t, err, iggyerr.ErrNotFound)
				require.Equal(t, retries+1, send.Attempts)
				require.NoError(t, p.Stop(context.Background()))
			})
		})
	}
}

// Messages that can never fit once held the only room for the moment in which they were refused.
// Who looked for it then waited for an outcome of which there was none to come.
func TestRefusedMessagesLeaveNobodyWaiting(t *testing.T) {
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
					_ = p.Send(t.Context(), large)
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	for i := 0; i < 20_000 && err == nil; i++ {
		err = p.Send(ctx, message("k", "x"))
	}
	close(ended)
	refused.Wait()
	require.NoError(t, err)
	require.ErrorIs(t, p.Send(t.Context(), large), iggyerr.ErrTooLarge)
	require.NoError(t, p.Stop(t.Context()))
}

// The messages of a PublishAll, and those of others in the same partition, once waited until the
// last one was encoded: for longer than the delivery timeout, if it came to that.
func TestSlowCodecHoldsNothingUp(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		slow := topic.New("s", "t", topic.Bytes(), topic.Key(func([]byte) string {
			time.Sleep(time.Second)
			return "k"
		}))
		published := make(chan error, 1)
		go func() {
			published <- producer.For(p, slow).PublishAll(t.Context(), slices.Repeat([][]byte{[]byte("slow")}, 60))
		}()
		time.Sleep(10500 * time.Millisecond)
		began := time.Now()
		require.NoError(t, p.Send(t.Context(), message("k", "other")))
		require.LessOrEqual(t, time.Since(began), time.Second)
		require.NoError(t, <-published)
		require.Len(t, s.payloads("t", wire.PartitionOf("k", 4)), 61)
	})
}
