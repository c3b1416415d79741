package consumer

import (
	"fmt"
	"time"
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
