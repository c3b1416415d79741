package consumer

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
)

// Drop ends a message without a dead letter when a handler returns it, or Nack gets it, also wrapped:
// the message is acknowledged, logged at debug level and counted as dropped.
var Drop = deliver.Drop //nolint:errname // an instruction rather than an error, like fs.SkipAll

// Permanent marks err as one for which another delivery is of no use: the message goes to the dead
// letters at once. Permanent(nil) is nil.
func Permanent(err error) error { return deliver.Permanent(err) }

// RetryAfter asks for the redelivery after d instead of after the configured backoff, for example
// because of a server's Retry-After. The delivery counts: when max_deliveries is reached, the
// message is given up. A stop or a reassignment does not wait for the redelivery: the message is
// delivered again afterwards, and its deliveries are counted anew. A negative d means at once; err
// may be nil.
func RetryAfter(d time.Duration, err error) error { return deliver.RetryAfter(d, err) }
