package consumer

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
)

// Drop ends a message without a dead letter when a handler returns it, or Nack gets it, also
// wrapped: the message is acknowledged, logged at debug level and counted as dropped.
var Drop = deliver.Drop //nolint:errname // an instruction rather than an error, like fs.SkipAll

// Permanent marks err as one for which another delivery is of no use: the message goes to the dead
// letters at once. Permanent(nil) is nil.
func Permanent(err error) error { return deliver.Permanent(err) }

// RetryAfter asks for the redelivery after d instead of after the configured backoff, for example
// because of a server's Retry-After. The delivery counts: when max_deliveries is reached, the
// message is given up. A stop or a reassignment does not wait for the redelivery: the message is
// delivered again afterwards, and its deliveries are counted anew. A negative d means at once; err
// may be nil.
//
// With park_after, a message whose d is longer is parked instead of waiting in memory: it is written
// to a topic of its own (ParkedTopic) and acknowledged when that is confirmed. When it is due, it is
// delivered to any member of the group, also after a restart, with its own origin, headers and payload
// and with its count of deliveries. The messages of its key do not wait for it, so it has no order
// among them.
func RetryAfter(d time.Duration, err error) error { return deliver.RetryAfter(d, err) }

// Postpone asks for another delivery after d, as if this one had not happened: the message can't be
// handled yet because of err, which may be nil, and others can. It does not count for max_deliveries,
// is no failure, and is logged at debug level. Until then the message waits like one of RetryAfter: it
// holds no place in flight, and is parked when d is longer than park_after. With ack_mode on_poll,
// Postpone is like any other error.
//
// A message may be postponed any number of times. Choose a d that limits the load of this.
func Postpone(d time.Duration, err error) error { return deliver.Postpone(d, err) }

// Unavailable says that the handler can't work now because of err, and that this is not the
// message's fault: a disk is full, a database is away. The delivery does not count for
// max_deliveries, whatever that is, and the message is never given up for it.
//
// Delivery of the partition, or of the whole consumer with ForAllPartitions, pauses with the
// configured backoff, at most 10 s; Unavailable(RetryAfter(d, err)) makes the pause d at least.
// After a pause one message is tried, and when that is handled, or fails for a reason of its own,
// delivery continues. Meanwhile Check fails with err. The log says so when it begins, at most once a
// minute, and when it ends.
//
// An error that matches iggyerr.ErrClosed is handled like this for the whole consumer, since what
// the handler publishes with is closed. With ack_mode on_poll the message was acknowledged before,
// and Unavailable is like any other error. Unavailable(nil) is nil.
func Unavailable(err error, opts ...UnavailableOption) error {
	var o unavailableOptions
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	return deliver.Unavailable(err, o.all)
}

// UnavailableOption changes what Unavailable pauses.
type UnavailableOption func(*unavailableOptions)

type unavailableOptions struct{ all bool }

// ForAllPartitions pauses all partitions of the consumer: what the handler needs is the same for
// all of them.
func ForAllPartitions() UnavailableOption { return func(o *unavailableOptions) { o.all = true } }
