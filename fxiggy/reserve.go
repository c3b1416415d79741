package fxiggy

import (
	"context"
	"time"
)

// reserve is the time that a hook leaves to the hooks after it: a share of the time that is left,
// at most max.
type reserve struct {
	share float64
	max   time.Duration
}

var (
	// startReserve lets Fx stop what has been started when a start takes too long: Fx runs no hook
	// after its own time limit.
	startReserve = reserve{0.2, 2 * time.Second}
	// drainReserve is for the flush of the producer and the connections, after the consumers.
	drainReserve = reserve{0.35, 6 * time.Second}
	// closeReserve is for the hooks of the application that stop after ours.
	closeReserve = reserve{0.2, time.Second}
)

// withReserve returns a context that ends before the deadline of ctx by r. It has no deadline when
// ctx has none.
func withReserve(ctx context.Context, r reserve) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	left := time.Until(deadline)
	return context.WithDeadline(ctx, deadline.Add(-min(time.Duration(r.share*float64(left)), r.max)))
}
