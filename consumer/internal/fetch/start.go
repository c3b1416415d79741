package fetch

import (
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Start is where an assignment of a partition begins.
type Start struct {
	// Position is the next offset to read.
	Position uint64
	// ByTime tells that reading begins at the time Since, by the server's clock in microseconds,
	// and not at Position. Handled are messages that are skipped then.
	ByTime  bool
	Since   uint64
	Handled Handled
	// AnyOffset tells that the first message may have any offset: it is no gap.
	AnyOffset bool
	// Prefix is the acknowledged prefix that precedes the start.
	Prefix    uint64
	HasPrefix bool
	// End is the offset after the log's last message, as far as known.
	End uint64
	// StorePrefix has Prefix stored at once, so that another owner begins at the same place.
	StorePrefix bool
	// DeleteStored has the stored offset deleted, so that another owner begins at the start, too.
	DeleteStored bool
	// Failed is why nothing is read: on_reset is stop.
	Failed error
	// Replay tells that messages are delivered again on purpose: ids that were seen are forgotten.
	Replay bool
	// Reset says in words what happened to the log or the stored offset; empty: nothing.
	Reset string
}

// Policy is how a consumer starts.
type Policy struct {
	// From is where a partition without a stored offset begins.
	From config.StartFrom
	// OnReset is what follows a truncated log or a moved offset.
	OnReset config.OnReset
	// Chosen, if set, is used instead of From: the start of a standalone consumer.
	Chosen func(end uint64) (Start, bool)
	// Partition names the partition in errors.
	Partition string
}

// Found is what a consumer finds when a partition is assigned to it.
type Found struct {
	// Stored is the stored offset; only when HasStored.
	Stored    uint64
	HasStored bool
	// End is the offset after the log's last message.
	End uint64
	// Same tells that the message before the remembered place is still the one that was
	// acknowledged, and Purged that the log was purged after the committed offset was stored: see
	// Log.
	Same, Purged bool
	// Truncated tells that the log ended before Reached, which had been reached.
	Truncated bool
	Reached   uint64
}

// Decide says where to begin by what is found and what this consumer remembers. It is the one place
// that notices that a stored offset was moved or that a log is not what it was. It changes what is
// remembered accordingly.
//
// When the message before the remembered place is not the same any more, the log was truncated and
// what is stored means nothing: a killed server brings back the tail of a log and the stored offset
// as they were some time ago, the offset mostly as 0 (measured on Iggy 0.8.0), and new messages may
// stand where acknowledged ones did.
func (p Policy) Decide(r *Remembered, f Found) Start {
	if f.Purged {
		r.toCommitted()
	}
	if !f.HasStored && (f.Purged || f.Truncated) {
		// A server may still return a message that was purged together with the stored offset.
		f.Same = false
	}
	at := p.decide(r, f)
	if f.Truncated && at.Reset == "" {
		// The acknowledged messages are still in the log, but not those that were delivered after
		// them. New messages have their offsets.
		at = p.reset(r, at, fmt.Sprintf("offset %d was reached and the log ends before %d", f.Reached, f.End))
	}
	return at
}

func (p Policy) decide(r *Remembered, f Found) Start {
	switch {
	case r.Truncated && f.Same:
		return startAt(r.Next, f.End)
	case r.Truncated:
		return afterTruncation(r, f.End)
	case !f.HasStored:
		return p.withoutStored(r, f)
	}
	next := f.Stored + 1
	at := Start{Position: next, Prefix: f.Stored, HasPrefix: true, End: f.End}
	switch {
	case next > f.End:
		return p.reset(r, afterTruncation(r, f.End), fmt.Sprintf("offset %d is stored and the log ends before %d", f.Stored, f.End))
	case r.HasNext && !f.Same && f.Stored < r.Next:
		return p.reset(r, afterTruncation(r, f.End), notSame(r))
	case r.HasCommitted && f.Stored < r.Committed:
		return p.reset(r, at, fmt.Sprintf("offset %d was stored and it is %d now", r.Committed, f.Stored))
	case f.Same && r.Next > next:
		return startAt(r.Next, f.End)
	}
	return at
}

// withoutStored is decide where nothing is stored.
func (p Policy) withoutStored(r *Remembered, f Found) Start {
	switch {
	case r.HasNext && !f.Same:
		return p.reset(r, afterTruncation(r, f.End), notSame(r))
	case r.HasCommitted:
		return p.reset(r, Start{AnyOffset: true, End: f.End}, fmt.Sprintf("offset %d was stored and there is none any more", r.Committed))
	case f.Same:
		return startAt(r.Next, f.End)
	}
	if p.Chosen != nil {
		if at, ok := p.Chosen(f.End); ok {
			return at
		}
	}
	return p.first(f.End)
}

// notSame says that the log is not the one that was read.
func notSame(r *Remembered) string {
	return fmt.Sprintf("offset %d was reached and the log is not the same any more", r.Next)
}

// first is where a partition begins for which nothing is stored.
func (p Policy) first(end uint64) Start {
	switch p.From {
	case config.StartEnd:
		return startAt(end, end)
	case config.StartLast:
		return startAt(max(end, 1)-1, end)
	default:
		return Start{AnyOffset: true, End: end}
	}
}

// startAt begins at an offset that depends on the moment. The one before it is stored at once. Otherwise
// another owner that is assigned the partition before the first commit would begin at a later offset,
// and skip the messages in between.
func startAt(position, end uint64) Start {
	s := Start{Position: position, End: end}
	if position > 0 {
		s.Prefix, s.HasPrefix, s.StorePrefix = position-1, true, true
	}
	return s
}

// afterTruncation is where reading continues in a truncated log. Messages may have been appended since,
// below the old position. Those with a later time than the last acknowledged message are new. So are
// those with the same time and a higher offset, which are in the log if it was not truncated after all:
// all messages of a request have one time. If no message was acknowledged, reading continues at the
// first one that was ever read. If none was read, the log is read from its start.
func afterTruncation(r *Remembered, end uint64) Start {
	r.Truncated = true
	past := Handled{Timestamp: r.Timestamp, Below: r.Next}
	if r.Timestamp == 0 {
		past = r.Before
	}
	if past.Timestamp == 0 {
		return Start{AnyOffset: true, End: end}
	}
	return Start{ByTime: true, Since: past.Timestamp, Handled: past, End: end, Position: end, AnyOffset: true}
}

// reset applies on_reset to a position that was reset.
func (p Policy) reset(r *Remembered, follow Start, what string) Start {
	at := follow
	switch p.OnReset {
	case config.ResetLatest:
		at, r.Truncated = startAt(follow.End, follow.End), false
	case config.ResetStop:
		at.Failed = fmt.Errorf("iggy: %s: %s (on_reset: stop)", p.Partition, what)
	default:
		at.Replay = true
	}
	at.Reset = what
	r.HasCommitted, r.HasNext = false, false
	return at
}
