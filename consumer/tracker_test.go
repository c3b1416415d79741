package consumer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// TestTrackerCommitsThePrefixAndNothingBeyond compares the tracker with a list
// of messages that is searched anew for each answer.
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
				tracker.Cut(messages[i].number)
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
				require.Equal(t, open, tracker.Open())
				require.False(t, moved && got < last, "the prefix moved back from %d to %d", last, got)
				last, moved = got, gotOK
				first, some := tracker.First()
				require.Equal(t, open > 0, some)
				if some {
					require.Equal(t, messages[len(messages)-open].offset, first)
				}
			},
		})
	})
}

func TestLanesKeepKeysApartAndInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := consumer.NewLanes()
		queued := map[string][]uint64{} // by key, those that did not run yet
		running := map[uint64]string{}
		var seq, given uint64
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key")
				l.Enter(seq, key)
				queued[key] = append(queued[key], seq)
				seq++
			},
			"next": func(t *rapid.T) {
				n, key, ok := l.Next()
				free := len(queued[""])
				for _, k := range []string{"a", "b", "c"} {
					busy := false
					for _, r := range running {
						busy = busy || r == k
					}
					if !busy {
						free += min(1, len(queued[k]))
					}
				}
				require.Equal(t, free > 0, ok, "a message runs whenever its key is free")
				if !ok {
					return
				}
				require.Equal(t, queued[key][0], n, "order of key %q", key)
				queued[key] = queued[key][1:]
				running[n] = key
				given = max(given, n+1)
			},
			"done": func(t *rapid.T) {
				if len(running) == 0 {
					t.Skip("nothing runs")
				}
				var all []uint64
				for n := range seq {
					if _, ok := running[n]; ok {
						all = append(all, n)
					}
				}
				n := rapid.SampledFrom(all).Draw(t, "message")
				delete(running, n)
				l.Done(n)
			},
			"cut": func(t *rapid.T) {
				want := 0
				for key, waiting := range queued {
					i := 0
					for i < len(waiting) && waiting[i] < given {
						i++
					}
					want += len(waiting) - i
					queued[key] = waiting[:i]
				}
				require.Equal(t, want, l.Cut(given))
				seq = given
			},
		})
		// In the end nothing is left behind.
		for n := range running {
			l.Done(n)
		}
		for n, _, ok := l.Next(); ok; n, _, ok = l.Next() {
			l.Done(n)
		}
		require.Zero(t, l.Keys())
	})
}

func TestDedupKeepsTheLatestIDs(t *testing.T) {
	t.Parallel()
	id := func(n int) [16]byte { return [16]byte{0: 1, 15: byte(n)} }
	d := consumer.NewDedup(2)
	require.False(t, d.Repeated(id(1)))
	require.True(t, d.Repeated(id(1)), "in hand")
	d.Forget(id(1))
	require.False(t, d.Repeated(id(1)), "forgotten")
	d.Settled(id(1))
	d.ForgetOpen()
	require.True(t, d.Repeated(id(1)), "settled ids outlast the ownership")
	for n := 2; n <= 3; n++ {
		require.False(t, d.Repeated(id(n)))
		d.Settled(id(n))
	}
	require.False(t, d.Repeated(id(1)), "the window holds two")
	d.ForgetOpen()
	require.True(t, d.Repeated(id(3)))
	d.Reset()
	require.False(t, d.Repeated(id(3)))
	require.False(t, d.Repeated([16]byte{}))
	require.False(t, d.Repeated([16]byte{}), "no id is no repetition")
	off := consumer.NewDedup(0)
	require.False(t, off.Repeated(id(1)))
	off.Settled(id(1))
	require.False(t, off.Repeated(id(1)))
}
