package link

import (
	"context"
	"time"
)

// WithRequestTimeout returns the context of a request, and the function that ends it.
func WithRequestTimeout(ctx context.Context, timeout time.Duration) (bounded context.Context, stop func()) {
	bounded, s := withRequestTimeout(ctx, timeout)
	return bounded, s.stop
}

var ErrStalled = errStalled
