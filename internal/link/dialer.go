package link

import (
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func dialerOf(t config.Transport) (transport.Dialer, error) {
	return nil, fmt.Errorf("iggy.transport: %q: must be native or sdk", t)
}
