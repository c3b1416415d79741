package link

import (
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

// newDialer returns the dialer of a transport.
func newDialer(t config.Transport) (transport.Dialer, error) {
	switch t {
	case config.TransportNative:
		return native.Dialer{}, nil
	case config.TransportSDK:
		return sdk.Dialer{}, nil
	default:
		return nil, fmt.Errorf("iggy.transport: %q: must be native or sdk", t)
	}
}
