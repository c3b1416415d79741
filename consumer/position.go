package consumer

import (
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fetch"
)

// Position is a position in a partition.
type Position struct {
	kind  positionKind
	value uint64
}

type positionKind uint8

const (
	atStored positionKind = iota
	atFirst
	atLast
	atEnd
	atOffset
	atTime
)

// Stored is the position after the committed offset, and the one of start_from when there is none.
func Stored() Position { return Position{kind: atStored} }

// First is the first message that is left.
func First() Position { return Position{kind: atFirst} }

// Last is the last message.
func Last() Position { return Position{kind: atLast} }

// End is the position after the last message: only messages that are stored afterwards are read.
func End() Position { return Position{kind: atEnd} }

// Offset is the message with that offset, or the first one after it. An offset beyond the end is
// the end.
func Offset(offset uint64) Position { return Position{kind: atOffset, value: offset} }

// Time is the first message that the server stored at t or later.
func Time(t time.Time) Position {
	return Position{kind: atTime, value: uint64(max(t.UnixMicro(), 0))}
}

// String returns the position in words.
func (p Position) String() string {
	switch p.kind {
	case atFirst:
		return "first"
	case atLast:
		return "last"
	case atEnd:
		return "end"
	case atOffset:
		return fmt.Sprintf("offset %d", p.value)
	case atTime:
		return "time " + time.UnixMicro(int64(p.value)).UTC().Format(time.RFC3339Nano)
	default:
		return "stored"
	}
}

// resolve returns where reading begins at p, given where the log ends; false for Stored.
func (p Position) resolve(end uint64) (fetch.Start, bool) {
	switch p.kind {
	case atFirst:
		return fetch.Start{AnyOffset: true, End: end}, true
	case atLast:
		return fetch.Start{Position: max(end, 1) - 1, AnyOffset: true, End: end}, true
	case atEnd:
		return fetch.Start{Position: end, End: end}, true
	case atOffset:
		return fetch.Start{Position: min(p.value, end), AnyOffset: true, End: end}, true
	case atTime:
		return fetch.Start{
			ByTime: true, Since: p.value, Position: end, AnyOffset: true, End: end,
		}, true
	default:
		return fetch.Start{}, false
	}
}
