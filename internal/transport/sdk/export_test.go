package sdk

import (
	"context"
	"net"

	"github.com/apache/iggy/foreign/go/client/tcp"
)

// Accept takes the client's connection off ln, and refuses another one's.
func Accept(ctx context.Context, ln *net.TCPListener, client *tcp.IggyTcpClient) (*net.TCPConn, error) {
	return accept(ctx, ln, client)
}

// ErrNotSDK is the error of Control for a connection of another transport.
var ErrNotSDK = errNotSDK
