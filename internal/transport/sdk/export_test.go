package sdk

import (
	"context"
	"net"

	"github.com/apache/iggy/foreign/go/client/tcp"
)

// Accept accepts the client's connection from ln, and refuses another process's.
func Accept(ctx context.Context, ln *net.TCPListener, client *tcp.IggyTcpClient) (*net.TCPConn, error) {
	return accept(ctx, ln, client)
}

// ErrNotSDK is the error of Control for a connection of another transport.
var ErrNotSDK = errNotSDK
