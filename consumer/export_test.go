package consumer

import "github.com/fetchbox/fetchbox-iggy/internal/transport"

// WithDialer replaces the transport that the configuration names.
func WithDialer(d transport.Dialer) Option { return func(o *options) { o.dialer = d } }
