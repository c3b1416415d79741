package fetch

import (
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Start is where an assignment of a partition begins.
type Start struct {
	// Position is the next offset to read. Strategy, if set, replaces it for the first poll.
	Position uint64
	Strategy *transport.Strategy
	// Handled are messages that are skipped at the beginning.
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

// Decide says where to begin by what is stored, where the log ends, and what
// this consumer remembers. It is the one place that notices that a stored
// offset was moved or that a log is not what it was. It changes what is
// remembered accordingly.
//
// same tells that the message before the remembered place is still the one
// that was acknowledged. When it is not, the log was truncated and what is
// stored means nothing: a killed server brings back the tail of a log and the
// stored offset as they were some time ago, the offset mostly as 0 (measured
// on Iggy 0.8.0), and new messages may stand where acknowledged ones did.
func (p Policy) Decide(r *Remembered, stored uint64, hasStored bool, end uint64, same bool) Start {
	if r.Truncated {
		return afterTruncation(r, end)
	}
	if !hasStored {
		return p.withoutStored(r, end, same)
	}
	next := stored + 1
	at := Start{Position: next, Prefix: stored, HasPrefix: true, End: end}
	switch {
	case next > end:
		return p.reset(r, afterTruncation(r, end), fmt.Sprintf("offset %d is stored and the log ends before %d", stored, end))
	case r.HasNext && !same && stored < r.Next:
		return p.reset(r, afterTruncation(r, end), fmt.Sprintf("offset %d was reached and the log is not the same any more", r.Next))
	case r.HasCommitted && stored < r.Committed:
		return p.reset(r, at, fmt.Sprintf("offset %d was stored and it is %d now", r.Committed, stored))
	case same && r.Next > next:
		return startAt(r.Next, end)
	}
	return at
}

// withoutStored is Decide where nothing is stored.
func (p Policy) withoutStored(r *Remembered, end uint64, same bool) Start {
	switch {
	case r.HasNext && !same:
		return p.reset(r, afterTruncation(r, end), fmt.Sprintf("offset %d was reached and the log is not the same any more", r.Next))
	case r.HasCommitted:
		return p.reset(r, Start{AnyOffset: true, End: end}, fmt.Sprintf("offset %d was stored and there is none any more", r.Committed))
	case same:
		return startAt(r.Next, end)
	}
	if p.Chosen != nil {
		if at, ok := p.Chosen(end); ok {
			return at
		}
	}
	return p.first(end)
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

// startAt begins at an offset that depends on the moment: it is stored, or a
// change of owners before the first commit would skip what came in between.
func startAt(position, end uint64) Start {
	s := Start{Position: position, End: end}
	if position > 0 {
		s.Prefix, s.HasPrefix, s.StorePrefix = position-1, true, true
	}
	return s
}

// afterTruncation is where a truncated log is read on. Messages may have been
// appended since, below the old position: those with a later time than the
// last acknowledged one are new. So are those of its time behind it, if the
// log is whole after all: a batch has one time. Where nothing was acknowledged,
// reading goes on at the first message that was seen; without any, nothing is
// surely handled and the log is read from its start.
func afterTruncation(r *Remembered, end uint64) Start {
	r.Truncated = true
	past := Handled{Timestamp: r.Timestamp, Below: r.Next}
	if r.Timestamp == 0 {
		past = r.Before
	}
	if past.Timestamp == 0 {
		return Start{AnyOffset: true, End: end}
	}
	return Start{
		Strategy: &transport.Strategy{Kind: transport.FromTimestamp, Value: past.Timestamp}, Handled: past,
		End: end, Position: end, AnyOffset: true,
	}
}

// ResetTo applies on_reset where the caller noticed what happened.
func (p Policy) ResetTo(r *Remembered, follow Start, what string) Start {
	return p.reset(r, follow, what)
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
