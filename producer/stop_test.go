package producer_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// Sends during Stop are either confirmed or refused, and Stop does not count the refused ones as
// lost.
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
				_, err := p.Send(context.Background(), message(strconv.Itoa(g), "x"))
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

// Stop does not wait for the start timeout when the server is unreachable.
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

// A callback that waits for a message behind its own blocks its partition. Stop ends that: each
// message has its outcome all the same.
func TestSendWithinCallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.partitions("t", 1)
		p := start(t, s, nil)
		inner := make(chan error, 1)
		p.SendAsync(context.Background(), message("k", "outer"), func(producer.Result) {
			inner <- errOf(p.Send(context.Background(), message("k", "inner")))
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

func TestStopDrains(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.set(func() { s.delay = time.Second })
		got := make(outcomes, 10)
		for range 10 {
			p.SendAsync(t.Context(), message("k", "x"), func(r producer.Result) { got <- r })
		}
		require.NoError(t, p.Stop(t.Context()))
		for _, r := range got.wait(t, 10) {
			require.Equal(t, producer.Confirmed, r.Outcome)
		}
	})
}

func TestStopCountsUnconfirmedMessages(t *testing.T) {
	t.Parallel()
	change := func(c *config.Producer) { c.MaxBatchMessages = 2; c.MaxBufferedMessages = 5 }
	run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(always(stallUnstored))
		got := make(outcomes, 10)
		done := func(r producer.Result) { got <- r }
		p.SendAsync(t.Context(), message("k", "in flight"), done)
		synctest.Wait()
		for range 4 {
			p.SendAsync(t.Context(), message("k", "queued"), done)
		}
		go p.SendAsync(t.Context(), message("k", "waiting for room"), done)
		synctest.Wait()
		started := time.Now()
		err := p.Stop(t.Context())
		require.Equal(t, 5*time.Second, time.Since(started), "the drain timeout")
		var left *producer.StopError
		require.ErrorAs(t, err, &left)
		require.Equal(t, []producer.Remainder{{Stream: "s", Topic: "t", Failed: 5, Unknown: 1}}, left.Remainders)
		require.ErrorContains(t, err, "s/t 5 failed and 1 unknown")
		require.ErrorContains(t, err, "drain timeout")
		counts := map[producer.Outcome]int{}
		for _, r := range got.wait(t, 6) {
			counts[r.Outcome]++
			require.ErrorIs(t, r.Err, iggyerr.ErrClosed)
		}
		require.Equal(t, map[producer.Outcome]int{producer.Failed: 5, producer.Unknown: 1}, counts)
		require.Zero(t, p.Status().BufferedBytes)
	})
}

func TestStopEndsWithItsContext(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		s.fail(always(stallStored))
		got := make(outcomes, 1)
		p.SendAsync(t.Context(), message("k", "x"), func(r producer.Result) { got <- r })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		require.ErrorIs(t, p.Stop(ctx), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(started))
		require.Equal(t, producer.Unknown, got.wait(t, 1)[0].Outcome)
	})
}
