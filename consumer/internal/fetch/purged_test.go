package fetch_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// afterPurge is where a cursor begins that finds a log purged of which the messages of 1,000 and
// the n-1 times after it were handled, at the offsets from 0 on.
func afterPurge(n uint64) fetch.Start {
	last := 999 + n
	return fetch.Start{ByTime: true, Since: last, Handled: fetch.Handled{Timestamp: last, Below: n}, AnyOffset: true}
}

// undecodable is the error of a poll whose answer has a message that can't be decoded.
var undecodable = &iggyerr.ConnError{Op: "poll", Sent: true, Err: fmt.Errorf("%w: %w", transport.ErrUndecodable, iggyerr.ErrProtocol)}

// A server with default settings returns purged messages by offset in place of new ones, until it
// saves again.
func TestReadingAfterAPurge(t *testing.T) {
	t.Parallel()
	for _, handled := range []uint64{100, 60} {
		inBubble(t, fmt.Sprintf("new messages are read once and in order after %d of 100", handled), func(t *testing.T, s *setup) {
			s.queue.take = true
			s.server.appendMessages(100)
			s.server.purge()
			s.start(t, afterPurge(handled))
			time.Sleep(time.Second)
			require.Empty(t, s.queue.all())
			require.True(t, s.cursor.Status().ByTime)
			for end := uint64(1); end < 250; end *= 2 {
				s.server.appendMessages(int(end - end/2))
				time.Sleep(time.Second)
				requireOffsets(t, 0, end, s.queue.all())
			}
			require.Equal(t, uint64(1100), s.queue.oldest(), "no purged message")
			require.Zero(t, s.owner.verifications())
			require.Equal(t, uint64(128), s.cursor.Status().Position)
		})
	}
	inBubble(t, "also where more new messages than purged ones are found", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(15)
		s.server.purge()
		s.server.appendMessages(200)
		s.start(t, afterPurge(15))
		time.Sleep(time.Second)
		requireOffsets(t, 0, 200, s.queue.all())
		require.Equal(t, uint64(1015), s.queue.oldest())
	})
	inBubble(t, "a purge in progress shows in the end of the log, and not in answers", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purging = true
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		require.True(t, s.cursor.Status().ByTime)
		s.server.purge()
		s.server.appendMessages(200)
		time.Sleep(time.Second)
		requireOffsets(t, 0, 200, s.queue.all())
		require.Equal(t, uint64(1100), s.queue.oldest())
	})
	inBubble(t, "several purges", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(5)
		s.server.purge()
		s.server.appendMessages(200)
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		requireOffsets(t, 0, 200, s.queue.all())
		require.Equal(t, uint64(1105), s.queue.oldest())
	})
	inBubble(t, "messages of one time are more than a poll asks for", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendBatch(64)
		s.server.purge()
		for range 3 {
			s.server.appendBatch(35)
		}
		s.start(t, fetch.Start{ByTime: true, Since: 1000, Handled: fetch.Handled{Timestamp: 1000, Below: 64}, AnyOffset: true})
		time.Sleep(time.Second)
		requireOffsets(t, 0, 105, s.queue.all())
		require.Equal(t, uint64(1001), s.queue.oldest())
	})
	inBubble(t, "polls by time are made one after another, those behind the purged messages are not", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.roundTrip = 20 * time.Millisecond
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(3000)
		s.start(t, afterPurge(100))
		for {
			_, together := s.server.made()
			if s.cursor.Status().Position >= 100 {
				break
			}
			require.LessOrEqual(t, together, 1)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		requireOffsets(t, 0, 3000, s.queue.all())
		_, together := s.server.made()
		require.Greater(t, together, 1)
	})
	inBubble(t, "the next assignment continues by time", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(30)
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		s.stop()
		s.start(t, fetch.Start{Position: 20, Prefix: 19, HasPrefix: true, End: 30})
		time.Sleep(time.Second)
		s.server.appendMessages(90)
		time.Sleep(time.Second)
		require.Equal(t, append(ascending(0, 30), ascending(20, 120)...), s.queue.all())
		require.Equal(t, uint64(1100), s.queue.oldest())
	})
	inBubble(t, "the next assignment begins with new messages", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.start(t, afterPurge(40))
		time.Sleep(time.Second)
		s.stop()
		s.server.appendMessages(200)
		s.start(t, afterPurge(40))
		time.Sleep(time.Second)
		requireOffsets(t, 0, 200, s.queue.all())
		require.Equal(t, uint64(1100), s.queue.oldest())
	})
	inBubble(t, "new messages are read in order when the clock is set back, once it has made up for it", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(8)
		s.server.setClock(-6)
		s.server.appendMessages(1)
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		requireOffsets(t, 0, 9, s.queue.all())
		s.server.appendMessages(30)
		time.Sleep(time.Second)
		requireOffsets(t, 0, 39, s.queue.all())
		require.Zero(t, s.owner.verifications())
	})
	for _, end := range []int{50, 150} {
		inBubble(t, fmt.Sprintf("messages are read again that were not delivered, of %d", end), func(t *testing.T, s *setup) {
			s.queue.take = true
			s.server.appendMessages(100)
			s.server.purge()
			s.server.appendMessages(end)
			s.start(t, afterPurge(100))
			time.Sleep(time.Second)
			s.cursor.Stop()
			s.cursor.ReadFrom(33)
			s.cursor.Resume()
			time.Sleep(time.Second)
			require.Equal(t, append(ascending(0, uint64(end)), ascending(33, uint64(end))...), s.queue.all())
			require.Equal(t, uint64(1100), s.queue.oldest())
		})
	}
	inBubble(t, "a purge of the log that is read by time asks for verification", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(10)
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		s.server.purge()
		s.server.appendMessages(15)
		time.Sleep(time.Second)
		requireOffsets(t, 0, 10, s.queue.all())
		require.Equal(t, 1, s.owner.verifications())
	})
	inBubble(t, "only what was stored after the purge is acknowledged when it is read", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.cfg.AtMostOnce = true
		var stored []uint64
		s.cfg.Store = func(_ context.Context, _ uint32, offset uint64) error {
			stored = append(stored, offset)
			return nil
		}
		s.server.appendMessages(100)
		s.server.purge()
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		s.server.appendMessages(7)
		time.Sleep(time.Second)
		requireOffsets(t, 0, 7, s.queue.all())
		require.Equal(t, []uint64{6}, stored)
	})
}

// When a server saves messages after such a purge, the log is damaged: what was saved can't be
// read.
func TestReadingAfterAPurgeAndASave(t *testing.T) {
	t.Parallel()
	inBubble(t, "messages that are not saved are read on", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(30)
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		s.server.save()
		s.server.appendMessages(30)
		time.Sleep(time.Second)
		s.server.save()
		s.server.appendMessages(100)
		time.Sleep(time.Second)
		requireOffsets(t, 0, 160, s.queue.all())
		require.Equal(t, uint64(1100), s.queue.oldest())
		require.Zero(t, s.owner.verifications())
	})
	inBubble(t, "messages that are saved before they are read ask for verification", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(30)
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		s.cursor.Pause(true)
		s.server.appendMessages(30)
		s.server.save()
		s.cursor.Pause(false)
		s.server.appendMessages(30)
		time.Sleep(time.Second)
		for n := 1; n < 4; n++ {
			require.Equal(t, n, s.owner.verifications())
			s.cursor.Verified(90)
			time.Sleep(time.Second)
		}
		requireOffsets(t, 0, 30, s.queue.all())
		require.Equal(t, uint64(1100), s.queue.oldest())
		require.Zero(t, s.cursor.Status().Counters.Gaps)
	})
	inBubble(t, "nothing that is saved is skipped where nothing was read since the purge", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(30)
		s.server.save()
		s.server.appendMessages(30)
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		require.Empty(t, s.queue.all())
		require.Equal(t, 1, s.owner.verifications())
	})
	inBubble(t, "nothing is skipped either where polls by time find nothing", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		s.server.setAnswer(func(p transport.Poll) (*transport.Polled, error) {
			if p.Strategy.Kind == transport.FromTimestamp {
				return &transport.Polled{CurrentOffset: 29}, nil
			}
			return nil, nil
		})
		s.server.appendMessages(30)
		s.server.save()
		time.Sleep(time.Second)
		require.Empty(t, s.queue.all())
		require.Equal(t, 1, s.owner.verifications())
	})
	inBubble(t, "an answer that can't be decoded is asked for by offset, and in parts", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(30)
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		s.server.save()
		s.server.setAnswer(func(p transport.Poll) (*transport.Polled, error) {
			if p.Strategy.Kind == transport.FromTimestamp || p.Count > 4 {
				return nil, undecodable
			}
			return nil, nil
		})
		s.server.appendMessages(30)
		// Each such answer ends the session.
		for range 4 {
			time.Sleep(time.Second)
			s.stop()
			s.start(t, fetch.Start{Position: uint64(len(s.queue.all())), End: 60})
		}
		time.Sleep(10 * time.Second)
		requireOffsets(t, 0, 60, s.queue.all())
	})
	inBubble(t, "the next assignment reads nothing by time", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(30)
		s.server.setAnswer(func(p transport.Poll) (*transport.Polled, error) {
			if p.Strategy.Kind == transport.FromTimestamp {
				return nil, undecodable
			}
			return nil, nil
		})
		s.server.save()
		s.start(t, afterPurge(100))
		time.Sleep(time.Millisecond)
		s.stop()
		before, _ := s.server.made()
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		require.Empty(t, s.queue.all())
		require.Equal(t, 1, s.owner.verifications())
		for _, p := range s.server.pollsFrom(before) {
			require.Equal(t, transport.FromOffset, p.Strategy.Kind)
		}
	})
	inBubble(t, "what was acknowledged is not doubted", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(100)
		s.server.purge()
		s.server.appendMessages(30)
		s.start(t, afterPurge(100))
		time.Sleep(time.Second)
		s.history.Update(func(r *fetch.Remembered) { r.Next, r.HasNext, r.Timestamp = 25, true, 1124 })
		log := fetch.Log{Consumer: s.cfg.Consumer}
		require.True(t, unchanged(t, s, log), "a purged message is returned in place of the acknowledged one")
		refuse := func(transport.Poll) (*transport.Polled, error) {
			return nil, &iggyerr.StatusError{Op: "poll", Status: iggyerr.StatusInvalidOffset}
		}
		s.server.setAnswer(refuse)
		require.False(t, unchanged(t, s, log), "nothing is damaged")
		s.server.setAnswer(nil)
		s.server.save()
		s.server.appendMessages(1)
		time.Sleep(time.Second)
		s.server.setAnswer(refuse)
		require.True(t, unchanged(t, s, log), "it can't be read any more")
	})
}

// unchanged reports whether the log is the same, as far as known.
func unchanged(t *testing.T, s *setup, log fetch.Log) bool {
	t.Helper()
	same, err := log.Unchanged(t.Context(), s.server, 0, s.history, 30)
	require.NoError(t, err)
	return same
}

// A purge deletes the stored offset, and gives the offsets again.
func TestPurgeIsFoundByTheMessagesAfterTheCommittedOne(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		unread int  // messages that were purged and not committed
		fresh  int  // messages that were sent after the purge
		kept   bool // there was no purge
		want   bool
	}{
		"nothing is new":                  {},
		"new messages":                    {fresh: 1, want: true},
		"more than before":                {fresh: 200, want: true},
		"the log continues":               {fresh: 1, kept: true},
		"behind what was not committed":   {unread: 500, fresh: 200, want: true},
		"only what was not committed yet": {unread: 5},
	}
	for name, test := range tests {
		inBubble(t, name, func(t *testing.T, s *setup) {
			s.server.appendMessages(100)
			s.history.Stored(99, 1099)
			s.server.appendMessages(test.unread)
			if !test.kept {
				s.server.purge()
			}
			s.server.appendMessages(test.fresh)
			purged, err := fetch.Log{Consumer: s.cfg.Consumer}.Purged(t.Context(), s.server, 0, s.history)
			require.NoError(t, err)
			require.Equal(t, test.want, purged)
		})
	}
	inBubble(t, "an answer that can't be decoded is asked for once", func(t *testing.T, s *setup) {
		log := fetch.Log{Consumer: s.cfg.Consumer}
		purged, err := log.Purged(t.Context(), s.server, 0, s.history)
		require.NoError(t, err)
		require.False(t, purged, "nothing was committed")
		s.history.Stored(99, 1099)
		s.server.answer = func(transport.Poll) (*transport.Polled, error) {
			return nil, undecodable
		}
		_, err = log.Purged(t.Context(), s.server, 0, s.history)
		require.ErrorIs(t, err, transport.ErrUndecodable)
		purged, err = log.Purged(t.Context(), s.server, 0, s.history)
		require.NoError(t, err)
		require.True(t, purged)
		polls, _ := s.server.made()
		require.Equal(t, 1, polls)

		s.history.Update(func(r *fetch.Remembered) { r.Next, r.HasNext, r.Timestamp = 8, true, 1200 })
		_, err = log.Unchanged(t.Context(), s.server, 0, s.history, 30)
		require.ErrorIs(t, err, transport.ErrUndecodable)
		require.True(t, unchanged(t, s, log), "it can't be compared")
		polls, _ = s.server.made()
		require.Equal(t, 2, polls)
	})
}

// An answer that can't be decoded costs the connection, which other partitions use, too.
func TestMessageThatCannotBeDecodedIsSeldomAskedFor(t *testing.T) {
	t.Parallel()
	inBubble(t, "once a minute", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(30)
		var tried atomic.Int64
		s.server.answer = func(p transport.Poll) (*transport.Polled, error) {
			if at := p.Strategy.Value; at <= 17 && 17 < at+uint64(p.Count) {
				tried.Add(1)
				return nil, undecodable
			}
			return nil, nil
		}
		s.start(t, fetch.Start{AnyOffset: true, End: 30})
		time.Sleep(50 * time.Second)
		requireOffsets(t, 0, 17, s.queue.all())
		require.Less(t, tried.Load(), int64(10))
		require.Error(t, s.cursor.Status().Refused)
		before := tried.Load()
		time.Sleep(time.Minute)
		require.Equal(t, before+1, tried.Load())
		s.server.setAnswer(nil)
		time.Sleep(2 * time.Minute)
		requireOffsets(t, 0, 30, s.queue.all())
		require.NoError(t, s.cursor.Status().Refused)
	})
}

func TestOffsetsThatGoBackAskForVerification(t *testing.T) {
	t.Parallel()
	for _, atMostOnce := range []bool{false, true} {
		inBubble(t, fmt.Sprintf("at most once %t", atMostOnce), func(t *testing.T, s *setup) {
			s.server.answer = func(transport.Poll) (*transport.Polled, error) {
				return &transport.Polled{CurrentOffset: 9, Messages: []wire.Message{{Offset: 0, Timestamp: 1}, {Offset: 1, Timestamp: 2}, {Offset: 1, Timestamp: 3}}}, nil
			}
			s.cfg.AtMostOnce = atMostOnce
			s.cfg.Store = func(context.Context, uint32, uint64) error {
				t.Error("an offset is stored")
				return nil
			}
			s.start(t, fetch.Start{AnyOffset: true, End: 10})
			time.Sleep(time.Second)
			require.Empty(t, s.queue.all())
			require.Equal(t, 1, s.owner.verifications())
		})
	}
}

// A log that is whole after all is read by time up to its end only.
func TestWholeLogIsReadOnByOffset(t *testing.T) {
	t.Parallel()
	inBubble(t, "after the last message that was handled", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.server.appendMessages(20)
		s.start(t, fetch.Start{ByTime: true, Since: 1019, Handled: fetch.Handled{Timestamp: 1019, Below: 20}, Position: 20, End: 20, AnyOffset: true})
		time.Sleep(time.Second)
		status := s.cursor.Status()
		require.False(t, status.ByTime)
		require.Equal(t, uint64(20), status.Position)
		s.server.setClock(-10)
		s.server.appendMessages(5)
		time.Sleep(time.Second)
		requireOffsets(t, 20, 25, s.queue.all())
	})
}

// A connection that breaks during a poll says nothing about the message.
func TestMessageIsAskedForAgainAfterABrokenStream(t *testing.T) {
	t.Parallel()
	inBubble(t, "a poll of one message", func(t *testing.T, s *setup) {
		s.queue.take = true
		s.cfg.BatchSize = 1
		s.server.appendMessages(30)
		s.server.answer = func(p transport.Poll) (*transport.Polled, error) {
			if p.Strategy.Value == 17 {
				return nil, &iggyerr.ConnError{Op: "poll", Sent: true, Err: iggyerr.ErrProtocol}
			}
			return nil, nil
		}
		s.start(t, fetch.Start{AnyOffset: true, End: 30})
		time.Sleep(time.Second)
		requireOffsets(t, 0, 17, s.queue.all())
		s.server.setAnswer(nil)
		time.Sleep(time.Second)
		requireOffsets(t, 0, 30, s.queue.all())
	})
}

// The answer to a poll by time may begin with older messages: the last ones that the server has saved.
func TestReadingByTimeSkipsOlderMessages(t *testing.T) {
	t.Parallel()
	for _, older := range []int{0, 1, 3, 40} {
		inBubble(t, fmt.Sprintf("%d older messages", older), func(t *testing.T, s *setup) {
			s.queue.take = true
			s.server.older = older
			s.server.appendMessages(50)
			s.start(t, fetch.Start{ByTime: true, Since: 1050, End: 50, Position: 50, AnyOffset: true})
			time.Sleep(time.Second)
			require.Empty(t, s.queue.all())
			s.server.appendMessages(30)
			time.Sleep(time.Second)
			requireOffsets(t, 50, 80, s.queue.all())
			require.Zero(t, s.owner.verifications())
		})
		inBubble(t, fmt.Sprintf("%d older messages, newer ones are there", older), func(t *testing.T, s *setup) {
			s.queue.take = true
			s.server.older = older
			s.server.appendMessages(80)
			s.start(t, fetch.Start{ByTime: true, Since: 1050, End: 80, Position: 80, AnyOffset: true})
			time.Sleep(time.Second)
			requireOffsets(t, 50, 80, s.queue.all())
			require.Zero(t, s.owner.verifications())
		})
	}
}
