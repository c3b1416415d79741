package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

var errBroken = errors.New("broken for good")

// letter is a dead letter.
type letter struct {
	offset   uint64
	code     string
	attempts int
	text     string
}

// letters collects dead letters, and refuses them while it is broken.
type letters struct {
	mu      sync.Mutex
	all     []letter
	tries   int
	refused error
}

func (l *letters) write(_ context.Context, m *deliver.Message, cause error, code string, attempts int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries++
	if l.refused != nil {
		return l.refused
	}
	l.all = append(l.all, letter{m.Raw.Offset, code, attempts, cause.Error()})
	return nil
}

func (l *letters) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
}

func (l *letters) byOffset() map[uint64]letter {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[uint64]letter{}
	for _, x := range l.all {
		all[x.offset] = x
	}
	return all
}

type coded struct{}

func (coded) Error() string       { return "coded" }
func (coded) FailureCode() string { return "TEST_CODED" }

func TestFailedMessagesEndInTheDeadLetters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 3
		s := newSetup(t, cfg)
		var box letters
		s.app.letters = box.write
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			switch text(m) {
			case "b/fails":
				return errBroken
			case "c/permanent":
				return deliver.Permanent(errBroken)
			case "d/drop":
				return fmt.Errorf("not wanted: %w", deliver.Drop)
			case "e/coded":
				return deliver.Permanent(coded{})
			case "f/panic":
				return deliver.Permanent(&iggyerr.PanicError{Value: "oh"})
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("a/good", "!not text", "b/fails", "c/permanent", "d/drop", "e/coded", "f/panic", "b/after")
		pass(time.Minute)
		require.Equal(t, map[uint64]letter{
			1: {1, topic.CodeDecode, 0, "malformed text"},
			2: {2, topic.CodeHandler, 3, "broken for good"},
			3: {3, topic.CodeHandler, 1, "broken for good"},
			5: {5, "TEST_CODED", 1, "coded"},
			6: {6, topic.CodePanic, 1, (&iggyerr.PanicError{Value: "oh"}).Error()},
		}, box.byOffset())
		require.EqualValues(t, 8, p.progress.acknowledged().Seq)
		texts := got.all()
		require.Equal(t, "b/after", texts[len(texts)-1], "a key waits for its dead letter")
		require.Equal(t, deliver.Counters{
			Delivered: 9, Redelivered: 2, Acked: 2, Failed: 6, DeadLettered: 5, Dropped: 1, Undecodable: 1,
		}, p.Counters())
	})
}

func TestMessagesAreSkippedWithoutDeadLetters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Retry.MaxDeliveries = 2
		s := newSetup(t, cfg)
		s.pool.Handle(func(m *deliver.Message) error {
			if m.Key == "a" {
				return errBroken
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer("!garbage", "a/0", "b/0")
		pass(time.Minute)
		require.EqualValues(t, 3, p.progress.acknowledged().Seq)
		require.EqualValues(t, 2, p.Counters().Skipped)
		entries := p.owner.logged()
		last := entries[len(entries)-1]
		require.Equal(t, "message skipped, the consumer has no dead letters", last.Text)
		require.Equal(t, zapcore.ErrorLevel, last.Level)
		require.EqualValues(t, 1, last.Offset)
	})
}

// While dead letters can't be written their partition waits and says so, others go on, and the
// offset is not committed.
func TestPartitionWaitsWhileDeadLettersAreUnavailable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		box := letters{refused: errors.New("disk full")}
		s.app.letters = box.write
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			return nil
		})
		all := s.assign(2)
		all[0].offer("!malformed", "!malformed")
		synctest.Wait()
		all[0].offer("a/0")
		all[1].offer("b/0")
		pass(5 * time.Minute)
		require.ErrorContains(t, all[0].State().Blocked, "waits for the dead letters: ")
		require.NoError(t, all[1].State().Blocked)
		require.Equal(t, []string{"b/0"}, got.all())
		require.Zero(t, all[0].progress.acknowledged().Seq)
		require.ErrorContains(t, all[0].owner.noted()[0], "t/0: dead letters cannot be written: disk full")
		require.LessOrEqual(t, len(all[0].owner.logged()), 2*6, "at most once a minute")
		require.GreaterOrEqual(t, len(all[0].owner.logged()), 2*5)
		require.Greater(t, box.tries, 50)
		box.refuse(nil)
		pass(10 * time.Second)
		require.Equal(t, []string{"b/0", "a/0"}, got.all())
		require.NoError(t, all[0].State().Blocked)
		require.EqualValues(t, 3, all[0].progress.acknowledged().Seq)
		require.Len(t, box.byOffset(), 2)
	})
}

// What a worker took and did not begin is not handed out either while dead letters can't be
// written.
func TestRunIsTakenBackWhileDeadLettersAreUnavailable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Concurrency = 1
		s := newSetup(t, cfg)
		box := letters{refused: errors.New("disk full")}
		s.app.letters = box.write
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(text(m))
			if m.Key == "bad" {
				m.Nack(deliver.Permanent(errBroken))
				time.Sleep(time.Millisecond)
			}
			return nil
		})
		p := s.assign(1)[0]
		p.offer(distinct("k", 64)...)
		synctest.Wait()
		p.offer("a/0", "bad/0", "b/0", "c/0")
		pass(time.Minute)
		require.Len(t, got.all(), 66)
		box.refuse(nil)
		pass(time.Minute)
		require.Len(t, got.all(), 68)
		require.EqualValues(t, 68, p.progress.acknowledged().Seq)
	})
}

func TestDeadLettersEndWithTheirQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		stuck := make(chan struct{})
		s.app.letters = func(ctx context.Context, _ *deliver.Message, _ error, _ string, _ int) error {
			close(stuck)
			<-ctx.Done()
			return context.Cause(ctx)
		}
		s.pool.Handle(func(*deliver.Message) error { return nil })
		p := s.assign(1)[0]
		p.offer("!malformed")
		<-stuck
		unfinished, _ := p.Lose(errLost)
		require.Equal(t, 1, unfinished)
		synctest.Wait()
		require.Empty(t, p.owner.noted())
		p = s.again(p)
		s.app.letters = func(context.Context, *deliver.Message, error, string, int) error { return nil }
		p.offer("!malformed")
		synctest.Wait()
		require.EqualValues(t, 1, p.progress.acknowledged().Seq)
	})
}

// Code of the application that ends its goroutine has failed, like code that panics.
func TestExitsAreFailures(t *testing.T) {
	for name, run := range map[string]func(s *setup, handle func(m *deliver.Message) error){
		"handler": func(s *setup, handle func(m *deliver.Message) error) { s.pool.Handle(handle) },
		"batch": func(s *setup, handle func(m *deliver.Message) error) {
			s.pool.HandleBatch(func(batch []*deliver.Message) error {
				for _, m := range batch {
					if err := handle(m); err != nil {
						m.Nack(err)
					}
				}
				return nil
			})
		},
		"next": nil,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newSetup(t, settings())
				var box letters
				var exited atomic.Bool
				s.app.letters = func(ctx context.Context, m *deliver.Message, cause error, code string, attempts int) error {
					if !exited.Swap(true) {
						runtime.Goexit() // the first attempt
					}
					return box.write(ctx, m, cause, code, attempts)
				}
				var mu sync.Mutex
				decoded := map[string]int{}
				s.app.hook = func(text string) {
					mu.Lock()
					decoded[text]++
					n := decoded[text]
					mu.Unlock()
					if text == "b/exit" || text == "a/once" && n > 2 { // decoded twice at first, since others of its chunk exit
						runtime.Goexit()
					}
					if text == "d/panic" {
						panic("oh")
					}
				}
				var got seen
				handle := func(m *deliver.Message) error {
					if got.add(text(m)); m.Deliveries() == 1 {
						return errBusy
					}
					return nil
				}
				if run != nil {
					run(s, handle)
				}
				p := s.assign(1)[0]
				p.offer("a/0", "b/exit", "a/once", "d/panic", "e/0")
				if run == nil {
					for range 6 {
						m := s.take(1)[0]
						if err := handle(m); err != nil {
							m.Nack(err)
						} else {
							m.Ack()
						}
					}
				}
				pass(time.Minute)
				require.EqualValues(t, 5, p.progress.acknowledged().Seq)
				require.ElementsMatch(t, []string{"a/0", "a/0", "a/once", "a/once", "e/0", "e/0"}, got.all())
				require.Len(t, box.byOffset(), 2)
				require.Contains(t, box.byOffset()[1].text, "ended its goroutine")
				require.Contains(t, box.byOffset()[3].text, "oh")
			})
		})
	}
}

func TestHandlerThatEndsItsGoroutineHasFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Concurrency, cfg.Retry.MaxDeliveries = 1, 2
		s := newSetup(t, cfg)
		var box letters
		s.app.letters = box.write
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			if m.Key == "exit" {
				runtime.Goexit() // as FailNow of a test does
			}
			got.add(text(m))
			return nil
		})
		p := s.assign(1)[0]
		p.offer(distinct("k", 64)...)
		synctest.Wait()
		p.offer("a/0", "exit/0", "b/0", "c/0")
		pass(time.Minute)
		require.Len(t, got.all(), 67)
		require.EqualValues(t, 68, p.progress.acknowledged().Seq)
		require.Equal(t, 2, box.byOffset()[65].attempts)
		require.Equal(t, topic.CodePanic, box.byOffset()[65].code)
		require.LessOrEqual(t, s.pool.Workers(), 1)
	})
}

// hollow is an error type whose methods need a value that a typed nil lacks.
type hollow struct{ err error }

func (h *hollow) Error() string { return h.err.Error() }
func (h *hollow) Unwrap() error { return h.err }

func TestErrorWhosePanicIsItsOwnIsAPanic(t *testing.T) {
	t.Parallel()
	var bad *hollow
	require.ErrorIs(t, deliver.Checked(bad), iggyerr.ErrPanic)
	require.ErrorIs(t, deliver.Checked(errBusy), errBusy)
	require.NoError(t, deliver.Checked(nil))
	require.NoError(t, deliver.Permanent(nil))
	require.ErrorIs(t, deliver.Permanent(errBusy), errBusy)
	require.EqualError(t, deliver.RetryAfter(time.Second, nil), "retry after 1s")
	require.EqualError(t, deliver.RetryAfter(-time.Second, errBusy), errBusy.Error()+" (retry after 0s)")
	require.ErrorIs(t, deliver.RetryAfter(0, errBusy), errBusy)
}
