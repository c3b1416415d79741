// Package argument checks arguments of exported functions that a caller may get wrong, so that a
// mistake is an error and not a panic.
package argument

import (
	"context"
	"errors"
	"fmt"
)

var errNilContext = errors.New("iggy: nil context")

// Context returns an error when ctx is nil.
func Context(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	return nil
}

// Apply applies options to target, in order. A nil option is an error that names its position, and
// then none is applied.
func Apply[T any, O ~func(T)](target T, options []O) error {
	for i, apply := range options {
		if apply == nil {
			return fmt.Errorf("iggy: option %d of %d is nil", i+1, len(options))
		}
	}
	for _, apply := range options {
		apply(target)
	}
	return nil
}
