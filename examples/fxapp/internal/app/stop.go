package app

import (
	"errors"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// onlyUnfinishedMessages reports whether err says only that some messages were not processed in
// time.
func onlyUnfinishedMessages(err error) bool {
	if err == nil {
		return false
	}
	for _, one := range joinedErrors(err) {
		var unfinished *consumer.StopError
		// Messages that were acknowledged behind an unfinished one are redelivered with it.
		if !errors.As(one, &unfinished) || unfinished.Unfinished == 0 {
			return false
		}
		if unfinished.Err != nil && !errors.Is(unfinished.Err, consumer.ErrStopDeadline) {
			return false
		}
	}
	return true
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
