package fetch

import (
	"math"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Purged are messages that a server returns though they were purged: those up to a time, by the
// server's clock in microseconds.
//
// A server with default settings keeps the messages of a purged log that it had not saved, while
// new messages get offsets from 0 on (measured on Iggy 0.8.0). Until it saves the next messages, a
// poll by offset returns the purged message that has the offset and hides the new one; a poll by
// time returns both in the order in which they were stored, so that the offsets go back where the
// new messages begin. After that the log is damaged: only messages that are not saved yet can be
// read, by offset. In place of the others polls of either kind return purged messages, or fail.
type Purged struct {
	Timestamp uint64 // 0: there are none
	// Below is the offset after the last of them: a message with a lower offset is read by time. It
	// is 0 after the server saved.
	Below uint64
}

// saved reports whether the server has saved since it returned purged messages.
func (p Purged) saved() bool { return p.Timestamp != 0 && p.Below == 0 }

// byTime is where a cursor reads by time: at its beginning, if only the time is known, and while
// purged messages have the offsets of new ones.
type byTime struct {
	// begins tells that the position is not known yet. It is first when it is.
	begins bool
	first  uint64
	// since is the time at which the next poll begins, and again how many messages of that time
	// were returned before: all messages of a request have the same time.
	since uint64
	again int
	// handled are messages that are skipped.
	handled Handled
	purged  Purged
}

func newByTime(s Start, purged Purged) byTime {
	t := byTime{begins: s.ByTime, since: s.Since, handled: s.Handled, purged: purged}
	switch {
	case purged.Timestamp == 0:
	case t.begins:
		t.since = max(t.since, purged.Timestamp+1)
	default:
		t.handled = Handled{Timestamp: math.MaxUint64, Below: s.Position}
		t.readFrom(s.Position)
	}
	return t
}

// readFrom continues at an offset that was stored after the purge.
func (t *byTime) readFrom(offset uint64) {
	t.since, t.again = t.purged.Timestamp+1, 0
	t.handled.Below = min(t.handled.Below, offset)
}

// on reports whether the message at a position is read by time.
func (t *byTime) on(position uint64) bool { return t.begins || position < t.purged.Below }

// count returns how many messages a poll asks for that should return n new ones.
func (t *byTime) count(n int) int {
	if t.again == 0 && t.purged.Timestamp == 0 {
		return 1 // most likely what follows can be read by offset
	}
	return t.again + n
}

// skip returns the messages of an answer that are neither purged nor handled, and continues behind
// them. complete tells that the answer has as many messages as were asked for, so there may be more.
// end is the offset after the log's last message that was known before: a purge in progress already
// shows in it, and not in the answer.
func (t *byTime) skip(polled *transport.Polled, complete bool, end uint64) []wire.Message {
	messages := polled.Messages
	if len(messages) == 0 {
		if t.begins && t.purged.Timestamp != 0 && end > 0 {
			t.setSaved() // there are messages, and they can't be read
		}
		return nil
	}
	if t.handled == (Handled{}) && t.purged.Timestamp == 0 {
		// The application chose the time, and nothing was read yet. After a truncated log, handled is
		// set, and an older message tells that the server has saved.
		if messages = t.withoutOlder(messages); len(messages) == 0 {
			return nil
		}
	}
	last := messages[len(messages)-1]
	stored := firstStored(messages, polled.CurrentOffset)
	switch {
	case messages[0].Timestamp < t.since: // it was not asked for: the server has saved
		for i := range messages {
			if messages[i].Timestamp < t.since {
				t.purged.Timestamp = max(t.purged.Timestamp, messages[i].Timestamp)
			}
		}
		t.setSaved()
		return nil
	case stored == len(messages):
		t.addPurged(messages)
		t.since, t.again = last.Timestamp+1, 0
		return nil
	}
	t.addPurged(messages[:stored])
	messages = messages[stored:]
	t.since, t.again = last.Timestamp, 0
	for i := len(messages) - 1; i >= 0 && messages[i].Timestamp == last.Timestamp; i-- {
		t.again++
	}
	for len(messages) > 0 && t.handled.covers(&messages[0]) {
		messages = messages[1:]
	}
	switch {
	case len(messages) > 0:
		t.beginAt(messages[0].Offset)
		t.handled.Timestamp = t.reached()
		for i := range messages {
			t.handled.Timestamp = max(t.handled.Timestamp, messages[i].Timestamp)
		}
		t.handled.Below = last.Offset + 1
	case !complete && stored == 0 && last.Offset == polled.CurrentOffset && last.Offset < end: // the log ends here
		t.beginAt(last.Offset + 1)
	}
	return messages
}

// withoutOlder returns the messages that are not older than the time at which reading begins. When that
// is between the last message that the server has saved and the first one that it has not, the answer
// begins with older ones (measured on Iggy 0.8.0).
func (t *byTime) withoutOlder(messages []wire.Message) []wire.Message {
	first := slices.IndexFunc(messages, func(m wire.Message) bool { return m.Timestamp >= t.since })
	if first < 0 {
		first = len(messages)
	}
	t.again = first // the next poll returns the older ones, too
	return messages[first:]
}

// setSaved continues by offset: the server has saved. If nothing was read since the purge, that is
// from the first offset.
func (t *byTime) setSaved() {
	t.purged.Below = 0
	t.beginAt(0)
}

// reached returns the time of the last message that was handled; 0: it is not known.
func (t *byTime) reached() uint64 {
	if t.handled.Timestamp == math.MaxUint64 {
		return 0
	}
	return t.handled.Timestamp
}

// beginAt notes at which offset reading begins.
func (t *byTime) beginAt(offset uint64) {
	if t.begins {
		t.begins, t.first = false, offset
	}
}

// addPurged notes messages that were purged.
func (t *byTime) addPurged(messages []wire.Message) {
	for i := range messages {
		t.purged.Timestamp = max(t.purged.Timestamp, messages[i].Timestamp)
		t.purged.Below = max(t.purged.Below, messages[i].Offset+1)
	}
}

// firstStored returns the index of the first message of an answer by time that was stored after the
// last purge: behind it the offsets grow, up to the current one. Where all were purged it is the
// number of messages.
func firstStored(messages []wire.Message, current uint64) (first int) {
	if messages[len(messages)-1].Offset > current {
		return len(messages)
	}
	for i := 1; i < len(messages); i++ {
		if messages[i].Offset <= messages[i-1].Offset {
			first = i
		}
	}
	return first
}

// fits reports whether the messages of an answer by offset may have been asked for: their offsets
// grow, and none of them was purged.
func (p Purged) fits(messages []wire.Message) bool {
	for i := range messages {
		if messages[i].Timestamp <= p.Timestamp || i > 0 && messages[i].Offset <= messages[i-1].Offset {
			return false
		}
	}
	return true
}
