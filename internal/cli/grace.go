package cli

import (
	"context"
	"time"
)

// gracePeriod is how long an interrupt waits for messages in flight.
const gracePeriod = 5 * time.Second

// withGracePeriod returns a context with the values of ctx that ends the grace period after an
// interrupt of ctx.
func withGracePeriod(ctx context.Context) (context.Context, context.CancelFunc) {
	bounded, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(gracePeriod, func() { cancel(errInterrupted) }) })
	return bounded, func() {
		stop()
		cancel(nil)
	}
}
