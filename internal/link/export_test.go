package link

import (
	"context"
	"time"
)

var ErrStalled = errStalled

const ResumeGrace = resumeGrace

// WithRequestTimeout returns the context of a request with the functions that its end and its timer
// call.
func WithRequestTimeout(ctx context.Context, timeout time.Duration) (bounded context.Context, stop func(), expired func(now time.Time)) {
	bounded, s := withRequestTimeout(ctx, timeout)
	return bounded, s.stop, s.expired
}
