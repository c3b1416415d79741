package producer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// SendError is the error of a message that was not confirmed.
type SendError struct {
	// Stream and Topic name the topic.
	Stream, Topic string
	// Partition is the partition's id, or -1 when none was chosen yet.
	Partition int64
	// Attempts is the number of requests that carried the message.
	Attempts int
	// Outcome is Failed or Unknown.
	Outcome Outcome
	// Err is the cause: the error of the last attempt, or why there was none.
	Err error
}

// Error returns the topic, the partition, the outcome, the number of attempts and the cause.
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

// SendAllError is the error of a SendAll of which some messages were not confirmed.
type SendAllError struct {
	// Results holds one result per message, in the order of the call.
	Results []Result
}

// Error returns the number of messages by outcome and the first cause.
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

// Remainder counts the messages of one topic that a Stop left unconfirmed.
type Remainder struct {
	// Stream and Topic name the topic.
	Stream, Topic string
	// Failed messages were surely not stored.
	Failed uint64
	// Unknown messages were sent and not answered.
	Unknown uint64
}

// StopError is the error of a Stop that left messages unconfirmed. Each of them has its outcome all
// the same.
type StopError struct {
	// Remainders has an entry for each topic with unconfirmed messages.
	Remainders []Remainder
	// Err is why the flush ended early. It is nil when the flush ended regularly and messages
	// failed meanwhile.
	Err error
}

// Error returns the counts by topic and outcome.
func (e *StopError) Error() string {
	var b strings.Builder
	b.WriteString("iggy: producer stopped with unconfirmed messages:")
	for i, r := range e.Remainders {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %s/%s %d failed and %d unknown", r.Stream, r.Topic, r.Failed, r.Unknown)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns why the flush ended early.
func (e *StopError) Unwrap() error { return e.Err }

// refuse counts a message that was not accepted and makes its error.
func (t *topicState) refuse(partition int64, cause error) error {
	t.countRefused(1)
	return t.failure(partition, Failed, cause)
}

// refused is refuse for Send and Publish, whose caller has given the message this id.
func (t *topicState) refused(id [16]byte, cause error) (Result, error) {
	r := Result{Outcome: Failed, ID: id, Err: t.refuse(-1, cause)}
	return r, r.Err
}

// refuseAfterWait is refuse for a message that waited to be accepted. If Stop has ended the wait,
// the message counts among those that Stop left unconfirmed.
func (t *topicState) refuseAfterWait(cause error) error {
	if !errors.Is(cause, iggyerr.ErrClosed) {
		return t.refuse(-1, cause)
	}
	t.counters.count(1, Failed)
	t.measureFailed(1)
	return t.failure(-1, Failed, cause)
}

// failure makes the error of a message that was never sent.
func (t *topicState) failure(partition int64, outcome Outcome, cause error) error {
	return &SendError{Stream: t.stream, Topic: t.name, Partition: partition, Outcome: outcome, Err: cause}
}

// noPartitionError is the error for an explicit partition that the topic does not have.
func (t *topicState) noPartitionError(it *item, n int) error {
	id, _ := it.partition.ID()
	return fmt.Errorf("partition %d of %s/%s, which has %d: %w", id, t.stream, t.name, n, iggyerr.ErrNotFound)
}

// closedError is the cause of the failure of messages that are left when the producer ends.
func closedError(lastErr error) error {
	if lastErr == nil {
		return iggyerr.ErrClosed
	}
	return fmt.Errorf("%w, the last attempt: %w", iggyerr.ErrClosed, lastErr)
}

// errNoPartition is the error of choosePartition for an explicit partition that the route does not
// have.
var errNoPartition = errors.New("no such partition")
