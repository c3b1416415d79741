package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// connections are the producer's connections. All partitions share them.
type connections []*connection

// of returns the connection of a partition. It spreads the partitions of all topics over the
// connections.
func (c connections) of(t *topicState, partition uint32) *connection {
	return c[(uint64(t.index)+uint64(partition))%uint64(len(c))]
}

// start connects all at the same time.
func (c connections) start(ctx context.Context) error {
	errs := make([]error, len(c))
	var wg sync.WaitGroup
	for i, l := range c {
		wg.Go(func() { errs[i] = l.Start(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// stop closes them, one after another.
func (c connections) stop(ctx context.Context) error {
	var errs []error
	for _, l := range c {
		errs = append(errs, l.Stop(ctx))
	}
	return errors.Join(errs...)
}

// check makes a request for the metadata of a topic over each.
func (c connections) check(ctx context.Context, stream, topic string) error {
	errs := make(chan error, len(c))
	for _, l := range c {
		go func() { errs <- checkLink(ctx, l.Link, stream, topic) }()
	}
	var all []error
	for range c {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// checkLink returns nil when the server answers, be it that the topic does not exist or may not be
// read.
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
