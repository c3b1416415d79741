// Package testmessage lets package consumertest make messages that no consumer has delivered.
package testmessage

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Delivery is the delivery of a message that a test makes. Its zero value is that of a message that
// nobody delivered: it has no properties, and settling it does nothing.
type Delivery struct {
	// Raw is the stored message; nil means an empty one.
	Raw                  *wire.Message
	Key                  string
	Stream, Topic, Group string
	Partition            uint32
	Deliveries           int
	// Context is the message's context; nil means one that does not end.
	Context context.Context
	// Settle is called for every Ack, with nil, and every Nack, with its error; nil means nobody.
	Settle func(err error)
}

// Attach makes d the delivery of a message, a *consumer.Message[T]. Package consumer sets it.
var Attach func(message any, d *Delivery)
