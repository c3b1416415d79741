package producer

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Check makes a request over each connection and returns nil when all are answered within ctx. It
// reads a topic's metadata, since the server answers a ping without a login. The answer that the
// topic does not exist is fine.
func (p *Producer) Check(ctx context.Context) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	if err := p.running(); err != nil {
		return err
	}
	stream, name := "fetchbox", "jobs.tasks"
	if t := p.lastTopic.Load(); t != nil {
		stream, name = t.stream, t.name
	}
	errs := make(chan error, len(p.links))
	for _, l := range p.links {
		go func() { errs <- checkLink(ctx, l, stream, name) }()
	}
	var all []error
	for range p.links {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func checkLink(ctx context.Context, l *link.Link, stream, name string) error {
	err := l.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		_, err := c.Topic(ctx, stream, name)
		return err
	})
	var status *iggyerr.StatusError
	if err == nil || errors.Is(err, iggyerr.ErrNotFound) ||
		errors.As(err, &status) && status.Status == iggyerr.StatusUnauthorized {
		return nil
	}
	return fmt.Errorf("iggy: %s: %w", l.Status().Name, err)
}
