package sdk

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/iggy/foreign/go/client/tcp"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// errNotSDK is the error of Control for a connection of another transport.
var errNotSDK = errors.New("iggy: not a connection of the sdk transport")

// Control makes one request of the control plane, which transport.Conn omits, with the official SDK
// on a connection that Dialer made. call must make one call of the client that sends at most one
// request, and must not keep the client. The guarantees of transport.Conn apply: the context, the
// errors, with the given op and object, and the end of the connection when it is out of step.
func Control(ctx context.Context, c transport.Conn, op, object string, call func(*tcp.IggyTcpClient) error) error {
	own, ok := c.(*conn)
	if !ok {
		return fmt.Errorf("%w: %T", errNotSDK, c)
	}
	return own.do(ctx, op, object, &exchange{}, func() error { return call(own.client) })
}
