package producer

import (
	"context"
	"errors"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
)

// Check makes a request over each connection and returns nil when all are answered within ctx. It
// reads a topic's metadata, since the server answers a ping without a login. The answer that the
// topic does not exist is fine, except for a topic of a Publisher that was found to be missing:
// until it exists again, the error names it.
func (p *Producer) Check(ctx context.Context) error {
	if err := argument.Context(ctx); err != nil {
		return err
	}
	if err := p.running(); err != nil {
		return err
	}
	stream, name := "iggy", "check" // which need not exist
	if t := p.topics.last.Load(); t != nil {
		stream, name = t.stream, t.name
	}
	errs := []error{p.connections.check(ctx, stream, name)}
	for _, t := range p.topics.list() {
		if t.pinned.Load() && t.missing.Load() {
			_, err := t.refresh(ctx, p.clock.now())
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
