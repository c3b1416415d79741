package producer

import (
	"errors"
	"fmt"
)

// Outcome is what happened to a message.
type Outcome uint8

// The outcomes. Each message gets exactly one.
const (
	// Confirmed means that the server acknowledged the message.
	Confirmed Outcome = iota + 1
	// Failed means that the message was surely not stored.
	Failed
	// Unknown means that the message was sent and no answer tells whether it was stored. When it is
	// sent again with the same ID, readers can drop the duplicate.
	Unknown
)

// String returns confirmed, failed or unknown.
func (o Outcome) String() string {
	switch o {
	case Confirmed:
		return "confirmed"
	case Failed:
		return "failed"
	case Unknown:
		return "unknown"
	default:
		return fmt.Sprintf("outcome %d", uint8(o))
	}
}

// Result is the outcome of one message.
type Result struct {
	// Outcome is what happened to the message.
	Outcome Outcome
	// ID is the message's id, also when the producer made it. It is zero for a message that was
	// refused before it got one.
	ID [16]byte
	// Partition is where the message was stored; valid when Outcome is Confirmed.
	Partition uint32
	// Err is nil exactly when Outcome is Confirmed, otherwise a *SendError.
	Err error
}

// OutcomeOf returns the outcome of the message that err, a result of Send or Publish, is about. It
// returns Confirmed for nil, and Failed for an error that is not about sending.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Confirmed
	}
	var send *SendError
	if errors.As(err, &send) {
		return send.Outcome
	}
	return Failed
}
