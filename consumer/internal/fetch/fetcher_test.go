package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// inBubble runs a test on a fake clock.
func inBubble(t *testing.T, name string, test func(t *testing.T, s *setup)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSetup()
			test(t, s)
			if s.stop != nil {
				s.stop()
			}
		})
	})
}

func TestReading(t *testing.T) {
	t.Parallel()
	inBubble(t, "a log is read in order to its end, and what is appended is noticed", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(95)
		s.start(t, fetch.Start{AnyOffset: true, End: 95})
		time.Sleep(10 * time.Millisecond)
		requireOffsets(t, 0, 95, s.queue.all())
		s.server.appendMessages(3)
		time.Sleep(60 * time.Millisecond)
		requireOffsets(t, 0, 98, s.queue.all())
		require.Equal(t, uint64(98), s.cursor.Status().Position)
	})
	inBubble(t, "no more is read ahead than a few polls", func(t *testing.T, s *setup) {
		s.server.appendMessages(1000)
		s.start(t, fetch.Start{AnyOffset: true, End: 1000})
		time.Sleep(time.Second)
		requireOffsets(t, 0, 20, s.queue.all())
		s.queue.empty()
		s.cursor.Wake()
		time.Sleep(time.Second)
		requireOffsets(t, 0, 40, s.queue.all())
	})
	inBubble(t, "no more is read ahead than there is room for", func(t *testing.T, s *setup) {
		const room, size = 5000, wire.MessageHeaderSize + 1000
		s.room.left = room
		s.server.appendMessages(1000)
		for i := range s.server.log {
			s.server.log[i].Payload = make([]byte, 1000)
		}
		s.start(t, fetch.Start{AnyOffset: true, End: 1000})
		time.Sleep(time.Second)
		requireOffsets(t, 0, 4, s.queue.all())
		s.queue.empty()
		s.room.Give(4 * size) // they are settled
		s.cursor.Wake()
		time.Sleep(time.Second)
		requireOffsets(t, 0, 8, s.queue.all())
		require.Equal(t, room-4*size, s.room.left, "what the answer did not need is given back")
	})
	inBubble(t, "a poll asks for few messages if they are large", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.cfg.BatchSize, s.history = 500, fetch.NewHistory(500)
		s.server.appendMessages(100)
		payload := make([]byte, 1<<20)
		for i := range s.server.log {
			s.server.log[i].Payload = payload
		}
		s.start(t, fetch.Start{AnyOffset: true, End: 100})
		time.Sleep(time.Second)
		requireOffsets(t, 0, 100, s.queue.all())
		polls := s.server.pollsFrom(0)
		require.Equal(t, uint32(16), polls[0].Count, "how large the messages are is not known")
		for _, poll := range polls[1:] {
			require.Equal(t, uint32(1), poll.Count, "one message is more than half of what an answer should have")
		}
	})
	inBubble(t, "at a distance several polls of a partition are under way", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.roundTrip = 20 * time.Millisecond
		s.server.appendMessages(5000)
		s.start(t, fetch.Start{AnyOffset: true, End: 5000})
		time.Sleep(time.Second)
		requireOffsets(t, 0, 5000, s.queue.all())
		_, together := s.server.made()
		require.Equal(t, 16, together)
	})
	inBubble(t, "answers that come out of order are handed over in order", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.roundTrip = 20 * time.Millisecond
		s.server.delay = func(n int) time.Duration { return time.Duration((n*7)%11) * time.Millisecond }
		s.server.appendMessages(3000)
		s.start(t, fetch.Start{AnyOffset: true, End: 3000})
		time.Sleep(3 * time.Second)
		requireOffsets(t, 0, 3000, s.queue.all())
	})
	inBubble(t, "an answer shorter than expected leaves no hole", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.roundTrip = 20 * time.Millisecond
		s.server.appendMessages(2000)
		n := 0
		s.server.answer = func(p transport.Poll) (*transport.Polled, error) {
			if n++; n%5 != 0 || p.Strategy.Value >= 1999 {
				return nil, nil
			}
			return &transport.Polled{CurrentOffset: 1999, Messages: slices.Clone(s.server.log[p.Strategy.Value : p.Strategy.Value+1]), Truncated: true}, nil
		}
		s.start(t, fetch.Start{AnyOffset: true, End: 2000})
		time.Sleep(30 * time.Second)
		requireOffsets(t, 0, 2000, s.queue.all())
	})
	inBubble(t, "how far the server has read is not known where messages were dropped", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(10)
		s.server.answer = func(p transport.Poll) (*transport.Polled, error) {
			if p.Strategy.Value > 0 {
				return nil, nil
			}
			return &transport.Polled{CurrentOffset: 9, Messages: slices.Clone(s.server.log[:3]), Truncated: true}, nil
		}
		s.server.delay = func(n int) time.Duration { return time.Duration(n) * time.Second }
		s.start(t, fetch.Start{AnyOffset: true, End: 10})
		time.Sleep(100 * time.Millisecond)
		requireOffsets(t, 0, 3, s.queue.all())
		require.Greater(t, s.cursor.Status().Polled, uint64(10))
		time.Sleep(2 * time.Second)
		requireOffsets(t, 0, 10, s.queue.all())
		require.Equal(t, uint64(10), s.cursor.Status().Polled)
	})
	inBubble(t, "messages that were not handed out are read again after a rewind", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.roundTrip = 20 * time.Millisecond
		s.server.appendMessages(500)
		s.start(t, fetch.Start{AnyOffset: true, End: 500})
		time.Sleep(70 * time.Millisecond) // polls are under way
		s.cursor.Stop()
		read := s.queue.all()
		s.cursor.ReadFrom(uint64(len(read)) - 5)
		time.Sleep(time.Second)
		require.Equal(t, read, s.queue.all(), "nothing is read while the cursor is stopped")
		require.False(t, s.cursor.Status().Polling)
		s.cursor.Resume()
		time.Sleep(2 * time.Second)
		requireOffsets(t, uint64(len(read))-5, 500, s.queue.all()[len(read):])
	})
	inBubble(t, "nothing is read while the partition is paused", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(5)
		s.start(t, fetch.Start{AnyOffset: true})
		s.cursor.Pause(true)
		time.Sleep(time.Second)
		require.Empty(t, s.queue.all())
		s.cursor.Pause(false)
		time.Sleep(time.Second)
		requireOffsets(t, 0, 5, s.queue.all())
	})
	inBubble(t, "messages of the time before are skipped", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(20)
		for i := range s.server.log {
			s.server.log[i].Timestamp = 1000 + uint64(i/10)
		}
		s.start(t, fetch.Start{
			ByTime: true, Since: 1000, AnyOffset: true,
			Handled: fetch.Handled{Timestamp: 1000, Below: 4}, Position: 20, End: 20,
		})
		time.Sleep(time.Second)
		requireOffsets(t, 4, 20, s.queue.all())
	})
}

func TestWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	inBubble(t, "a gap is counted and read over", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(20)
		s.server.log = append(s.server.log[:5:5], s.server.log[8:]...)
		s.start(t, fetch.Start{AnyOffset: true, End: 20})
		time.Sleep(time.Second)
		require.Equal(t, append(ascending(0, 5), ascending(8, 20)...), s.queue.all())
		require.Zero(t, s.cursor.Status().Counters.Gaps, "a gap within an answer is not looked for")

		s.server.appendMessages(10)
		s.server.mu.Lock()
		s.server.log = s.server.log[len(s.server.log)-5:]
		s.server.mu.Unlock()
		time.Sleep(time.Second)
		counters := s.cursor.Status().Counters
		require.Equal(t, int64(1), counters.Gaps)
		require.Equal(t, int64(5), counters.GapMessages)
	})
	inBubble(t, "with StopAtGap a gap stops the partition", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.cfg.StopAtGap = true
		s.server.appendMessages(20)
		s.server.log = s.server.log[5:]
		s.start(t, fetch.Start{Position: 2, End: 20})
		time.Sleep(time.Second)
		require.Empty(t, s.queue.all())
		require.Equal(t, fetch.Failed, s.cursor.Status().State)
		_, _, failed := s.owner.heard()
		require.ErrorContains(t, failed, "offset 2 was expected and the log continues at 5")
	})
	for _, n := range []int{1, 20} {
		inBubble(t, fmt.Sprintf("%d messages that are announced and not readable are in doubt", n), func(t *testing.T, s *setup) {
			s.queue.take = true
			s.server.appendMessages(n)
			s.server.answer = func(transport.Poll) (*transport.Polled, error) {
				return &transport.Polled{CurrentOffset: uint64(n - 1)}, nil
			}
			s.start(t, fetch.Start{AnyOffset: true, End: uint64(n)})
			time.Sleep(time.Second)
			require.Zero(t, s.owner.verifications())
			polls, _ := s.server.made()
			require.Less(t, polls, 40, "less and less often")
			time.Sleep(2 * time.Second)
			require.Equal(t, 1, s.owner.verifications())
			s.cursor.Verified(uint64(n))
			time.Sleep(time.Second)
			require.Equal(t, 2, s.owner.verifications(), "at once, since it has waited before")

			s.server.mu.Lock()
			s.server.answer = nil
			s.server.mu.Unlock()
			s.cursor.Verified(uint64(n))
			time.Sleep(time.Second)
			requireOffsets(t, 0, uint64(n), s.queue.all())
			require.Equal(t, 2, s.owner.verifications())
		})
	}
	inBubble(t, "a partition that a gap stops has its messages read again up to the gap", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.cfg.StopAtGap = true
		s.server.roundTrip = 20 * time.Millisecond
		s.server.appendMessages(400)
		s.server.log = append(s.server.log[:200:200], s.server.log[205:]...)
		s.server.delay = func(n int) time.Duration {
			if s.server.polls[n].Strategy.Value > 200 {
				return 50 * time.Millisecond
			}
			return 0
		}
		s.start(t, fetch.Start{AnyOffset: true, End: 400})
		for s.cursor.Status().State != fetch.Failed {
			time.Sleep(time.Millisecond)
		}
		require.True(t, s.cursor.Status().Polling, "the polls behind the gap are in flight")
		s.cursor.Stop()
		time.Sleep(time.Second)
		stopped, _, _ := s.owner.heard()
		require.Equal(t, 1, stopped, "the owner is told that no poll is in flight any more")
		requireOffsets(t, 0, 200, s.queue.all())
		s.cursor.Resume()
		time.Sleep(time.Second)
		require.Equal(t, fetch.Failed, s.cursor.Status().State)

		s.cursor.Stop()
		s.cursor.ReadFrom(190)
		s.cursor.Resume()
		time.Sleep(time.Second)
		requireOffsets(t, 190, 200, s.queue.all()[200:])
		require.Equal(t, fetch.Failed, s.cursor.Status().State)
	})
	inBubble(t, "the answer for a partition of another member asks for verification", func(t *testing.T, s *setup) {
		s.server.appendMessages(5)
		s.server.answer = func(transport.Poll) (*transport.Polled, error) { return &transport.Polled{Partition: 7}, nil }
		s.start(t, fetch.Start{Position: 3, End: 5})
		time.Sleep(time.Second)
		require.Equal(t, 1, s.owner.verifications())
		before, _ := s.server.made()
		time.Sleep(time.Second)
		after, _ := s.server.made()
		require.Equal(t, before, after, "nothing is read until it is verified")
		s.server.mu.Lock()
		s.server.answer = nil
		s.server.mu.Unlock()
		s.cursor.Verified(5)
		time.Sleep(time.Second)
		requireOffsets(t, 3, 5, s.queue.all())
	})
	inBubble(t, "a truncated log asks for verification", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(5)
		s.start(t, fetch.Start{AnyOffset: true, End: 5})
		time.Sleep(time.Second)
		s.server.mu.Lock()
		s.server.log = s.server.log[:2]
		s.server.mu.Unlock()
		time.Sleep(time.Second)
		require.Equal(t, 1, s.owner.verifications())
	})
	inBubble(t, "a poll that is refused is tried again after a pause", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(5)
		refused := &iggyerr.StatusError{Op: "poll", Status: iggyerr.StatusUnauthorized}
		s.server.answer = func(transport.Poll) (*transport.Polled, error) { return nil, refused }
		s.start(t, fetch.Start{AnyOffset: true, End: 5})
		time.Sleep(time.Second)
		polls, _ := s.server.made()
		require.InDelta(t, 10, polls, 1, "one poll in each pause of 100 ms")
		require.Error(t, s.cursor.Status().Refused)
		_, failures, _ := s.owner.heard()
		require.ErrorIs(t, failures[0], refused)
		s.server.mu.Lock()
		s.server.answer = nil
		s.server.mu.Unlock()
		time.Sleep(time.Second)
		requireOffsets(t, 0, 5, s.queue.all())
		require.NoError(t, s.cursor.Status().Refused)
	})
	inBubble(t, "the message that the server refuses by its offset is read by its time", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(30)
		s.server.answer = func(p transport.Poll) (*transport.Polled, error) {
			if at := p.Strategy.Value; p.Strategy.Kind == transport.FromOffset && at <= 17 && 17 < at+uint64(p.Count) {
				return nil, &iggyerr.StatusError{Op: "poll", Status: iggyerr.StatusInvalidOffset}
			}
			return nil, nil
		}
		s.start(t, fetch.Start{AnyOffset: true, End: 30})
		time.Sleep(time.Minute)
		requireOffsets(t, 0, 30, s.queue.all())
	})
	inBubble(t, "where the topic cannot be read each partition is polled", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.topicErr = &iggyerr.StatusError{Op: "topic", Status: iggyerr.StatusUnauthorized}
		s.start(t, fetch.Start{AnyOffset: true})
		s.server.appendMessages(5)
		time.Sleep(time.Second)
		requireOffsets(t, 0, 5, s.queue.all())
	})
}

func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, "offsets are stored before messages are handed over", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(25)
		var stored []uint64
		s.cfg.AtMostOnce = true
		s.cfg.Store = func(_ context.Context, _ uint32, offset uint64) error {
			if offset == 19 && len(stored) == 1 {
				stored = append(stored, 0)
				return errors.New("lost")
			}
			stored = append(stored, offset)
			return nil
		}
		s.start(t, fetch.Start{AnyOffset: true, End: 25})
		time.Sleep(time.Second)
		requireOffsets(t, 0, 25, s.queue.all())
		require.Equal(t, []uint64{9, 0, 19, 24}, stored)
		_, together := s.server.made()
		require.Equal(t, 1, together)
	})
}
