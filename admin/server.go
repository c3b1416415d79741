package admin

import (
	"context"
	"errors"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Server describes a server.
type Server struct {
	Version string
	// Clients is the number of its connections.
	Clients uint32
	// FreeDisk and TotalDisk are the bytes of the file system that it writes to.
	FreeDisk, TotalDisk uint64
}

// Server reads the version and the load of the server. The user needs the permission to read
// servers.
func (a *Admin) Server(ctx context.Context) (Server, error) {
	var server Server
	err := a.do(ctx, func(ctx context.Context, s session) error {
		var stats *iggcon.Stats
		err := s.call(ctx, "read server", "", func(c *tcp.IggyTcpClient) (err error) {
			stats, err = c.GetStats()
			return err
		})
		if err != nil {
			return err
		}
		server = Server{
			Version: stats.IggyServerVersion, Clients: stats.ClientsCount,
			FreeDisk: stats.FreeDiskSpace, TotalDisk: stats.TotalDiskSpace,
		}
		return nil
	})
	return server, err
}

// Ping reads the metadata of a topic that need not exist. The answer proves that the server is up,
// that it accepts the login, and that the connection is in order; the server answers a bare ping
// without a login, too.
func (a *Admin) Ping(ctx context.Context) error {
	err := a.do(ctx, func(ctx context.Context, s session) error {
		_, _, err := s.topic(ctx, "ping", "ping")
		return err
	})
	var status *iggyerr.StatusError
	if errors.As(err, &status) && (errors.Is(err, iggyerr.ErrNotFound) || status.Status == iggyerr.StatusUnauthorized) {
		return nil
	}
	return err
}
