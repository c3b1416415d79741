package fxiggy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
)

// provisioner creates the topics and groups of a cluster that are missing: at the start, and when
// they go missing later.
type provisioner struct {
	cfg     config.Iggy
	log     *zap.Logger
	cluster string // " of cluster NAME" in errors, or empty
	policy  *retry.Policy

	// canRetry reports whether a later attempt may succeed.
	canRetry func(error) bool

	busy     chan struct{} // holds a token while one call provisions
	failures int           // in a row, guarded by busy

	mu       sync.Mutex
	topics   admin.Spec
	lastDone time.Time // end of the last attempt
	lastErr  error     // its result
}

func newProvisioner(c *cluster) *provisioner {
	p := &provisioner{cfg: c.cfg.Iggy, log: c.log.Named("fxiggy"), cluster: c.suffix(), busy: make(chan struct{}, 1)}
	if c.name != "" {
		p.log = p.log.With(zap.String("cluster", c.name))
	}
	p.canRetry = func(err error) bool {
		// The server may begin to accept credentials and permissions later, but a start that waits
		// ends with the error at once.
		return c.cfg.Iggy.Start == config.StartBackground || iggyerr.IsRetryable(err)
	}
	p.policy = retry.New(c.cfg.Iggy.Reconnect, retry.If(p.canRetry))
	return p
}

// require adds a topic, and the groups of a consumer, to those that are created.
func (p *provisioner) require(t admin.TopicSpec) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.topics = append(p.topics, t)
}

// required returns the topics.
func (p *provisioner) required() admin.Spec {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.topics
}

// requires reports whether a topic is one of those that are created.
func (p *provisioner) requires(stream, topic string) bool {
	for _, t := range p.required() {
		if t.Stream == stream && t.Name == topic {
			return true
		}
	}
	return false
}

// last returns when the last attempt ended, and its result.
func (p *provisioner) last() (time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastDone, p.lastErr
}

// retry provisions until that succeeds, an error that a retry can't fix occurs, or ctx ends.
func (p *provisioner) retry(ctx context.Context) error {
	err := p.policy.Do(ctx, func(ctx context.Context, _ int) error {
		return p.once(ctx, func() bool { return false })
	})
	var connection *iggyerr.ConnError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &connection):
		return fmt.Errorf("iggy: provision topics%s: %w: %w", p.cluster, iggyerr.ErrNotConnected, err)
	default:
		return fmt.Errorf("iggy: provision topics%s: %w", p.cluster, err)
	}
}

// restore creates a missing topic. Calls at the same time share one attempt, and after a failure
// calls return its error until the next attempt is due.
func (p *provisioner) restore(ctx context.Context, stream, topic string) error {
	if !p.requires(stream, topic) {
		return fmt.Errorf("not a topic of this application: %w", iggyerr.ErrNotFound)
	}
	requested := time.Now()
	return p.once(ctx, func() bool {
		done, err := p.last()
		if err == nil {
			return done.After(requested)
		}
		return time.Since(done) < retry.Delay(p.cfg.Reconnect, p.failures)
	})
}

// once makes one attempt, unless recent reports that the result of the last one is recent enough.
// The log says when attempts begin to fail and when one succeeds again.
func (p *provisioner) once(ctx context.Context, recent func() bool) error {
	select {
	case p.busy <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.busy }()
	if recent() {
		_, err := p.last()
		return err
	}
	err := p.attempt(ctx)
	switch {
	case err == nil && p.failures > 0:
		p.log.Info("topics provisioned", zap.Int("attempt", p.failures+1))
		p.failures = 0
	case err == nil:
	case ctx.Err() != nil && errors.Is(err, iggyerr.ErrClosed):
		return err
	default:
		if p.failures++; p.failures == 1 {
			message := "cannot provision topics"
			if p.canRetry(err) {
				message += ", retrying"
			}
			p.log.Warn(message, zap.Error(err))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastDone, p.lastErr = time.Now(), err
	return err
}

// attempt provisions on a connection of its own.
func (p *provisioner) attempt(ctx context.Context) error {
	topics := p.required()
	if len(topics) == 0 {
		return nil
	}
	a, err := admin.New(p.cfg, admin.WithLogger(p.log))
	if err != nil {
		return err
	}
	_, err = a.Provision(ctx, topics)
	if closeErr := a.Close(); closeErr != nil {
		p.log.Debug("closing failed", zap.Error(closeErr))
	}
	return err
}
