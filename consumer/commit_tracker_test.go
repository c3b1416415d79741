package consumer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// The tracker agrees with a list of messages that is searched anew for each answer.
func TestTrackerCommitsThePrefixAndNothingBeyond(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type entry struct {
			offset, number uint64
			acked          bool
		}
		var tracker consumer.Tracker
		var messages []entry
		offset := rapid.Uint64Range(0, 1000).Draw(t, "offset")
		base, stored := uint64(0), false
		if rapid.Bool().Draw(t, "stored") {
			tracker.StartAt(offset)
			base, stored = offset, true
			offset++
		}
		last, moved := uint64(0), false
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				offset += rapid.Uint64Range(0, 3).Draw(t, "gap")
				messages = append(messages, entry{offset: offset, number: tracker.Add(offset)})
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
				tracker.Truncate(messages[i].number)
				offset = messages[i].offset // it is read again
				messages = messages[:i]
			},
			"": func(t *rapid.T) {
				want, ok, open := base, stored, len(messages)
				for _, r := range messages {
					if !r.acked {
						break
					}
					want, ok = r.offset, true
					open--
				}
				got, gotOK := tracker.Prefix()
				require.Equal(t, ok, gotOK)
				if ok {
					require.Equal(t, want, got)
				}
				require.Equal(t, open, tracker.Pending())
				require.False(t, moved && got < last, "the prefix moved back from %d to %d", last, got)
				last, moved = got, gotOK
				first, some := tracker.FirstPending()
				require.Equal(t, open > 0, some)
				if some {
					require.Equal(t, messages[len(messages)-open].offset, first)
				}
			},
		})
	})
}
