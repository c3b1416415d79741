package app

import (
	"errors"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// unfinishedMessages returns the number of messages that were not processed in time, or 0 when err
// says anything else.
func unfinishedMessages(err error) (n int) {
	if err == nil {
		return 0
	}
	for _, one := range joinedErrors(err) {
		var unfinished *consumer.StopError
		// Messages that were acknowledged behind an unfinished one are redelivered with it.
		if !errors.As(one, &unfinished) || unfinished.Unfinished == 0 {
			return 0
		}
		if unfinished.Err != nil && !errors.Is(unfinished.Err, consumer.ErrStopDeadline) {
			return 0
		}
		n += unfinished.Unfinished
	}
	return n
}

// joinedErrors returns the errors that errors.Join joined to err, at any depth.
func joinedErrors(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, joinedErrors(one)...)
	}
	return all
}
