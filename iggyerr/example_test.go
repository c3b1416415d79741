package iggyerr_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Sentinels are matched with errors.Is, details are found with errors.As.
func ExampleStatusError() {
	err := fmt.Errorf("publish: %w", &iggyerr.StatusError{
		Op: "send", Object: "fetchbox/jobs.tasks", Status: iggyerr.StatusTopicNotFound,
	})

	fmt.Println(errors.Is(err, iggyerr.ErrNotFound))
	var refused *iggyerr.StatusError
	if errors.As(err, &refused) {
		fmt.Println(refused.Object, uint32(refused.Status))
	}
	// Output:
	// true
	// fetchbox/jobs.tasks 2010
}

// Which errors are retryable.
func ExampleIsRetryable() {
	for _, err := range []error{
		fmt.Errorf("send: %w", iggyerr.ErrNotConnected),
		&iggyerr.ConnError{Op: "send", Sent: true, Err: errors.New("connection reset by peer")},
		fmt.Errorf("login: %w", iggyerr.ErrCredentials),
		context.Canceled,
	} {
		fmt.Println(iggyerr.IsRetryable(err), iggyerr.MayHaveEffect(err))
	}
	// Output:
	// true false
	// true true
	// false false
	// false false
}
