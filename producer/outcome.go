package producer

import (
	"errors"
	"fmt"
	"strings"
)

// Outcome is what became of a message.
type Outcome uint8

// The outcomes. Each message gets exactly one.
const (
	// Confirmed means that the server has acknowledged the message.
	Confirmed Outcome = iota + 1
	// Failed means that the message was surely not stored.
	Failed
	// Unknown means that the message was sent and no answer tells whether it was
	// stored. Sending it again with the same ID lets readers drop a duplicate.
	Unknown
)

// String is confirmed, failed or unknown.
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
	// Outcome is what became of the message.
	Outcome Outcome
	// ID is the message's id, also when the producer made it. It is zero for a
	// message that was refused before it got one.
	ID [16]byte
	// Partition is where the message was stored; valid when Outcome is Confirmed.
	Partition uint32
	// Err is nil exactly when Outcome is Confirmed, otherwise a *SendError.
	Err error
}

// SendError says that a message was not confirmed.
type SendError struct {
	// Stream and Topic name the topic.
	Stream, Topic string
	// Partition is the partition's id, or -1 when none was chosen yet.
	Partition int64
	// Attempts is how many requests carried the message.
	Attempts int
	// Outcome is Failed or Unknown.
	Outcome Outcome
	// Err is the cause: that of the last attempt, or why there was none.
	Err error
}

// Error names the topic, the partition, the outcome and the cause.
func (e *SendError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "iggy: send to %s/%s", e.Stream, e.Topic)
	if e.Partition >= 0 {
		fmt.Fprintf(&b, "/%d", e.Partition)
	}
	fmt.Fprintf(&b, ": %s", e.Outcome)
	switch e.Attempts {
	case 0:
	case 1:
		b.WriteString(" after 1 attempt")
	default:
		fmt.Fprintf(&b, " after %d attempts", e.Attempts)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// OutcomeOf is the outcome that err, a result of Send or of a Publisher, tells
// of: Confirmed for nil, Failed for errors that are not about sending.
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

// SendAllError says that some messages of a SendAll were not confirmed.
type SendAllError struct {
	// Results holds one result per message, in the order of the call.
	Results []Result
}

// Error counts the messages by outcome and gives the first cause.
func (e *SendAllError) Error() string {
	var failed, unknown int
	var first error
	for _, r := range e.Results {
		switch r.Outcome {
		case Failed:
			failed++
		case Unknown:
			unknown++
		}
		if first == nil {
			first = r.Err
		}
	}
	return fmt.Sprintf("iggy: of %d messages %d failed and %d are unknown, the first: %v", len(e.Results), failed, unknown, first)
}

// Unwrap returns the different errors among the results.
func (e *SendAllError) Unwrap() []error {
	var errs []error
	seen := map[error]bool{}
	for _, r := range e.Results {
		if r.Err != nil && !seen[r.Err] {
			seen[r.Err] = true
			errs = append(errs, r.Err)
		}
	}
	return errs
}

// errHeader is the cause of a refused header.
var errHeader = errors.New("iggy: keys and values of headers have 1 to 255 bytes")

// errPartition is the cause of a custom partitioner's choice outside of the topic.
var errPartition = errors.New("iggy: the partitioner chose a partition that the topic does not have")
