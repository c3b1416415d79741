package admin

import (
	"context"
	"errors"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Server is what a server says about itself.
type Server struct {
	Version  string        `json:"version"`
	Hostname string        `json:"hostname"`
	Uptime   time.Duration `json:"uptime"`
	// Clients is how many connections it has.
	Clients  uint32 `json:"clients"`
	Streams  uint32 `json:"streams"`
	Topics   uint32 `json:"topics"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	// FreeDisk and TotalDisk are bytes of the file system that it writes to.
	FreeDisk  uint64 `json:"free_disk"`
	TotalDisk uint64 `json:"total_disk"`
}

// Server reads what the server says about itself, which costs it some work. The user needs
// the permission to read servers.
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
			Version: stats.IggyServerVersion, Hostname: stats.Hostname, Uptime: uptime(stats.RunTime),
			Clients: stats.ClientsCount, Streams: stats.StreamsCount, Topics: stats.TopicsCount,
			Messages: stats.MessagesCount, Bytes: stats.MessagesSizeBytes,
			FreeDisk: stats.FreeDiskSpace, TotalDisk: stats.TotalDiskSpace,
		}
		return nil
	})
	return server, err
}

// uptime reads a number of seconds.
func uptime(seconds uint64) time.Duration {
	const most = uint64(1<<63-1) / uint64(time.Second)
	return time.Duration(min(seconds, most)) * time.Second
}

// Ping asks for the metadata of a topic that need not exist: the answer proves
// that the server lives, that it accepts the login, and that the connection is in
// step. A bare ping would be answered to a stranger, too.
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
