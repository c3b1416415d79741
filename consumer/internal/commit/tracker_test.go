package commit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
)

// TestTrackerFindsThePrefixAndNothingBeyond compares the tracker with a list of messages that is
// searched anew for each answer.
func TestTrackerFindsThePrefixAndNothingBeyond(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type message struct {
			offset, number uint64
			acked          bool
		}
		var tracker commit.Tracker
		var messages []message
		offset := rapid.Uint64Range(0, 1000).Draw(t, "offset")
		base := commit.Prefix{}
		if rapid.Bool().Draw(t, "stored") {
			tracker.StartAt(offset)
			base = commit.Prefix{Offset: offset, Any: true}
			offset++
		}
		var last commit.Prefix
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				offset += rapid.Uint64Range(0, 3).Draw(t, "gap")
				messages = append(messages, message{offset: offset, number: tracker.Add(offset, offset+1, int64(offset))})
				offset++
			},
			"ack": func(t *rapid.T) {
				if len(messages) == 0 {
					t.Skip("no messages")
				}
				i := rapid.IntRange(0, len(messages)-1).Draw(t, "message")
				messages[i].acked = true
				tracker.Ack(messages[i].number)
			},
			"cut": func(t *rapid.T) {
				// Only what is behind every acknowledged message is ever cut.
				from := len(messages)
				for from > 0 && !messages[from-1].acked {
					from--
				}
				if from == len(messages) {
					t.Skip("nothing to cut")
				}
				i := rapid.IntRange(from, len(messages)-1).Draw(t, "from")
				tracker.Cut(messages[i].number)
				offset = messages[i].offset // it is read again
				messages = messages[:i]
			},
			"": func(t *rapid.T) {
				want, open := base, len(messages)
				for _, m := range messages {
					if !m.acked {
						break
					}
					want = commit.Prefix{Seq: m.number + 1, Offset: m.offset, Timestamp: m.offset + 1, Any: true}
					open--
				}
				got := tracker.Prefix()
				require.Equal(t, want, got)
				require.Equal(t, open, tracker.Open())
				require.Equal(t, got.Seq, tracker.FirstOpen())
				require.GreaterOrEqual(t, got.Seq, last.Seq, "the prefix moved back")
				last = got
				first, ok := tracker.First()
				since, some := tracker.Oldest()
				require.Equal(t, open > 0, ok)
				require.Equal(t, ok, some)
				if ok {
					require.Equal(t, messages[len(messages)-open].offset, first)
					require.EqualValues(t, first, since)
				}
				unacked := 0
				for _, m := range messages[len(messages)-open:] {
					if !m.acked && m.number < tracker.Tail()-1 {
						unacked++
					}
				}
				if tracker.Tail() > 0 {
					require.Equal(t, unacked, tracker.Unacknowledged(tracker.Tail()-1))
				}
			},
		})
	})
}
