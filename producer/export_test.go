package producer

import "github.com/fetchbox/fetchbox-iggy/internal/transport"

// WithDialer replaces the transport that the configuration names.
func WithDialer(d transport.Dialer) Option { return func(o *options) { o.dialer = d } }

// Topics is how many topics the producer keeps a state of.
func (p *Producer) TopicCount() int { return len(p.topics.list()) }
