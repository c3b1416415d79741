package native

import (
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// answerShape is the size that the body of an answer may have.
type answerShape struct {
	min, max uint32
	// polled bodies have no maximum. maxBytes bounds what is kept of them.
	polled   bool
	maxBytes int
}

func (s answerShape) check(op string, length uint32) error {
	least, most := s.min, s.max
	if s.polled {
		least, most = polledHeaderSize, length
	}
	if length != 0 && length < least || length > most || length == 0 && s.min > 0 {
		return transport.Malformed("%s: a body of %d bytes", op, length)
	}
	return nil
}

// keepAndDrop returns how much of a body of this length is kept at first, and how much is dropped.
func (s answerShape) keepAndDrop(length uint64) (keep, drop uint64) {
	keep = length
	if s.polled && s.maxBytes > 0 {
		keep = min(length, polledHeaderSize+max(uint64(s.maxBytes), wire.MessageHeaderSize))
	}
	return keep, length - keep
}

// Shapes of the answers.
var (
	emptyShape    = answerShape{}
	loginShape    = answerShape{min: 4, max: 4}
	offsetShape   = answerShape{max: offsetSize}
	metadataShape = answerShape{max: maxMetadataAnswer}
)
