package deliver_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// world is what a test knows of partitions whose messages are handled, fail, and whose assignments
// come and go at random.
type world struct {
	t       *testing.T
	s       *setup
	rand    *rand.Rand
	logs    [][]string
	places  []place
	limit   int
	batches bool

	mu      sync.Mutex
	calm    bool // nothing fails any more
	with    int
	busy    map[string]int // by partition and key
	next    map[string]int // number of the next message of a key
	failed  []string
	handled int
}

// place is where a partition is read.
type place struct {
	p      *partition
	offset uint64
	ended  bool // it is being drained
}

func (w *world) fail(format string, args ...any) {
	if len(w.failed) < 5 {
		w.failed = append(w.failed, fmt.Sprintf(format, args...))
	}
}

func (w *world) chance(percent int) bool { return w.rand.IntN(100) < percent }

// enter notes that messages are with the application.
func (w *world) enter(messages ...*deliver.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.with += len(messages); w.with > w.limit {
		w.fail("%d messages are with the application", w.with)
	}
	for _, m := range messages {
		key := fmt.Sprint(m.Queue().ID(), " ", m.Key)
		var n int
		_, _ = fmt.Sscanf(text(m), m.Key+"/%d", &n)
		if w.busy[key]++; w.busy[key] > 1 && !w.batches {
			w.fail("%s is handled twice at once", key)
		}
		if n > w.next[key] && !w.batches {
			w.fail("%s/%d came before %d", key, n, w.next[key])
		}
	}
}

// leave notes that they are not any more, and which were handled.
func (w *world) leave(handled bool, messages ...*deliver.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.with -= len(messages)
	for _, m := range messages {
		key := fmt.Sprint(m.Queue().ID(), " ", m.Key)
		w.busy[key]--
		if handled {
			w.done(m)
		}
	}
}

func (w *world) done(m *deliver.Message) {
	key := fmt.Sprint(m.Queue().ID(), " ", m.Key)
	var n int
	_, _ = fmt.Sscanf(text(m), m.Key+"/%d", &n)
	w.next[key] = max(w.next[key], n+1)
	w.handled++
}

// outcome is what becomes of messages that are handled.
func (w *world) outcome() (wait time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calm {
		return 0, nil
	}
	switch k := w.rand.IntN(1000); {
	case k < 150:
		wait = time.Duration(w.rand.IntN(3000)) * time.Microsecond
	case k < 160:
		wait = time.Duration(w.rand.IntN(1000)) * time.Millisecond
	}
	switch k := w.rand.IntN(1000); {
	case k < 50:
		err = errBusy
	case k < 80:
		err = deliver.RetryAfter(time.Duration(w.rand.IntN(5000))*time.Millisecond, errBusy)
	case k < 90:
		err = deliver.Permanent(errBusy)
	case k < 95:
		err = deliver.Unavailable(errBusy, w.rand.IntN(2) == 0)
	case k < 97:
		err = &iggyerr.PanicError{Value: "oh"}
	}
	return wait, err
}

func (w *world) handle(m *deliver.Message) error {
	w.enter(m)
	wait, err := w.outcome()
	if wait > 0 {
		time.Sleep(wait)
	}
	w.leave(err == nil, m)
	return err
}

func (w *world) handleBatch(batch []*deliver.Message) error {
	w.enter(batch...)
	wait, err := w.outcome()
	time.Sleep(wait)
	w.leave(err == nil, batch...)
	return err
}

func (w *world) iterate(ctx context.Context) {
	for {
		m, err := w.s.pool.Next(ctx)
		if err != nil {
			return
		}
		w.enter(m)
		wait, err := w.outcome()
		if wait > 0 {
			time.Sleep(wait)
		}
		w.mu.Lock()
		back := !w.calm && w.chance(3)
		w.mu.Unlock()
		switch w.leave(err == nil && !back, m); {
		case back:
			m.GiveBack()
		case err != nil:
			m.Nack(deliver.Checked(err))
		default:
			m.Ack()
		}
	}
}

// feed offers what comes next to the partitions that want some.
func (w *world) feed() {
	for i := range w.places {
		at := &w.places[i]
		for !at.ended {
			batches, _, _ := at.p.Buffered()
			left := w.logs[i][at.offset:]
			if batches >= 3 || len(left) == 0 {
				break
			}
			w.mu.Lock()
			n := min(len(left), 1+w.rand.IntN(60))
			w.mu.Unlock()
			at.p.next = at.offset
			at.p.offer(left[:n]...)
			at.offset += uint64(n)
		}
	}
}

// disturb has something happen to a partition.
func (w *world) disturb() {
	w.mu.Lock()
	i, what := w.rand.IntN(len(w.places)), w.rand.IntN(100)
	w.mu.Unlock()
	at := &w.places[i]
	switch {
	case what < 40:
		at.p.commit()
	case what < 50:
		at.p.Pause(true)
		time.Sleep(time.Millisecond)
		at.p.Pause(false)
	case what < 60 && !at.ended:
		if first, ok := at.p.Drain(); ok {
			at.offset = first
		}
		at.ended = true
	case what < 75 && at.ended:
		at.p.Resume()
		at.ended = false
	case what < 80 && at.ended && at.p.State().Drained, what >= 97:
		w.lose(i)
	}
}

// lose has a partition lost and assigned again.
func (w *world) lose(i int) {
	at := &w.places[i]
	at.p.Lose(errLost)
	before := at.p.progress.acknowledged()
	again := &partition{p: at.p.p, progress: &progress{}, owner: &owner{}}
	again.Queue = at.p.p.NewQueue(context.Background(), deliver.QueueOptions{
		Owner: again.owner, Progress: again.progress, Acknowledged: before.Offset, HasAcknowledged: before.Any,
	})
	if again.progress.prefix = before; before.Any {
		again.progress.prefix.Seq = 0
		at.offset = before.Offset + 1
	} else {
		at.offset = 0
	}
	w.s.all[i] = again
	at.p, at.ended = again, false
	w.s.share()
}

// Whatever happens, every message is handled, those of a key in order and one at a time, and never
// more at once than may be.
func TestNothingIsLostWhateverHappens(t *testing.T) {
	for seed := range uint64(12) {
		for _, mode := range []string{"handler", "next", "batch"} {
			t.Run(fmt.Sprint(mode, " ", seed), func(t *testing.T) {
				bubble(t, func(t *testing.T) { testWorld(t, seed, mode) })
			})
		}
	}
}

func testWorld(t *testing.T, seed uint64, mode string) {
	const partitions, keys, each = 4, 6, 60
	random := rand.New(rand.NewPCG(seed, 1))
	cfg := settings()
	cfg.MaxInFlight, cfg.CommitEvery, cfg.BatchSize = 3+random.IntN(20), 20+random.IntN(100), 10
	cfg.Concurrency = 1 + random.IntN(cfg.MaxInFlight)
	cfg.Retry.MaxDeliveries = 4
	if random.IntN(2) == 0 {
		cfg.DedupWindow = 50
	}
	w := &world{
		t: t, rand: random, limit: cfg.MaxInFlight, batches: mode == "batch",
		busy: map[string]int{}, next: map[string]int{},
	}
	w.s = newSetup(t, cfg)
	w.s.app.letters = func(_ context.Context, m *deliver.Message, _ error, _ string, _ int) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.calm && w.chance(20) {
			return errBroken
		}
		w.done(m)
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	switch mode {
	case "handler":
		w.s.pool.Handle(w.handle)
	case "batch":
		w.s.pool.HandleBatch(w.handleBatch)
	default:
		for range cfg.Concurrency {
			callers.Go(func() { w.iterate(ctx) })
		}
	}
	for i, p := range w.s.assign(partitions) {
		var log []string
		numbers := make([]int, keys)
		for range keys * each {
			k := random.IntN(keys)
			log = append(log, fmt.Sprintf("%c/%d", 'a'+k, numbers[k]))
			numbers[k]++
		}
		w.logs = append(w.logs, log)
		w.places = append(w.places, place{p: p})
		_ = i
	}
	for range 1500 {
		w.feed()
		w.disturb()
		time.Sleep(time.Millisecond)
	}
	w.mu.Lock()
	w.calm = true
	w.mu.Unlock()
	for i := range w.places {
		w.places[i].p.Resume()
		w.places[i].ended = false
	}
	for range 3000 {
		w.feed()
		for i := range w.places {
			w.places[i].p.commit()
		}
		time.Sleep(10 * time.Millisecond)
	}
	synctest.Wait()
	for i, at := range w.places {
		prefix := at.p.progress.acknowledged()
		require.EqualValues(t, len(w.logs[i])-1, prefix.Offset, "partition %d: %+v", i, at.p.State())
		state := at.p.State()
		require.Zero(t, state.InFlight+state.Waiting+state.Ready+state.Behind+state.Unfinished)
	}
	require.Empty(t, w.failed)
	require.GreaterOrEqual(t, w.handled, partitions*keys*each)
	require.Zero(t, w.s.pool.Usage().Orphaned)
	cancel()
	callers.Wait()
}
