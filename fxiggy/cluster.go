package fxiggy

import (
	"context"
	"fmt"
	"sync"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
)

// cluster is what the components of one cluster share.
type cluster struct {
	*runtime
	name string // empty for that of Module
	cfg  config.Cluster

	mu    sync.Mutex
	needs admin.Spec
}

// clusterOf makes the cluster of a name. Its hook is the first of the cluster:
// when it runs, all components are built and have said what they need, and none of
// them is started.
func clusterOf(name string) func(*runtime) *cluster {
	return func(rt *runtime) *cluster {
		c := &cluster{runtime: rt, name: name, cfg: rt.cfg.Cluster}
		if name != "" {
			c.cfg = rt.cfg.Clusters[name]
		}
		if c.cfg.Topics.Provision {
			rt.lifecycle.Append(fx.Hook{OnStart: c.provision})
		}
		return c
	}
}

// need says that a topic must be there, with the groups of a consumer.
func (c *cluster) need(t admin.TopicSpec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.needs = append(c.needs, t)
}

// provision creates what is missing, on a connection of its own.
func (c *cluster) provision(ctx context.Context) error {
	c.mu.Lock()
	needs := c.needs
	c.mu.Unlock()
	if len(needs) == 0 {
		return nil
	}
	ctx, cancel := leaving(ctx, startReserve)
	defer cancel()
	// Whoever waits for the producer's first connection waits as long for this one.
	ctx, stop := context.WithTimeoutCause(ctx, c.cfg.Iggy.StartTimeout, fmt.Errorf("not done within the start timeout of %s", c.cfg.Iggy.StartTimeout))
	defer stop()
	a, err := admin.New(c.cfg.Iggy, admin.WithLogger(c.log))
	if err != nil {
		return err
	}
	_, err = a.Provision(ctx, needs)
	if closeErr := a.Close(); closeErr != nil {
		c.log.Named("fxiggy").Debug("closing failed", zap.Error(closeErr))
	}
	if err != nil {
		return fmt.Errorf("iggy: provision topics%s: %w", c.suffix(), err)
	}
	return nil
}

// suffix names the cluster in errors.
func (c *cluster) suffix() string {
	if c.name == "" {
		return ""
	}
	return " of cluster " + c.name
}

// component is the name of a component of the cluster in logs and in health.
func (c *cluster) component(name string) string {
	if c.name == "" {
		return name
	}
	return c.name + "." + name
}

func newAdmin(c *cluster) (*admin.Admin, error) {
	a, err := admin.New(c.cfg.Iggy, admin.WithLogger(c.log))
	if err != nil {
		return nil, err
	}
	c.lifecycle.Append(fx.Hook{OnStop: func(context.Context) error { return a.Close() }})
	return a, nil
}
