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

// cluster is shared by the components of one cluster.
type cluster struct {
	*runtime
	name string // empty for the cluster of Module
	cfg  config.Cluster

	mu     sync.Mutex
	topics admin.Spec
}

// clusterOf returns the constructor of the cluster with the given name. The cluster's hook is the
// first one of its components: when it runs, all of them are built and have called requireTopic,
// and none is started.
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

// requireTopic adds a topic, and the groups of a consumer, to those that provision creates.
func (c *cluster) requireTopic(t admin.TopicSpec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics = append(c.topics, t)
}

// provision creates missing topics and groups, on a connection of its own.
func (c *cluster) provision(ctx context.Context) error {
	c.mu.Lock()
	topics := c.topics
	c.mu.Unlock()
	if len(topics) == 0 {
		return nil
	}
	ctx, cancel := withReserve(ctx, startReserve)
	defer cancel()
	// The start timeout limits the wait for the first connection, here as in the producer.
	ctx, stop := context.WithTimeoutCause(ctx, c.cfg.Iggy.StartTimeout, fmt.Errorf("not done within the start timeout of %s", c.cfg.Iggy.StartTimeout))
	defer stop()
	a, err := admin.New(c.cfg.Iggy, admin.WithLogger(c.log))
	if err != nil {
		return err
	}
	_, err = a.Provision(ctx, topics)
	if closeErr := a.Close(); closeErr != nil {
		c.log.Named("fxiggy").Debug("closing failed", zap.Error(closeErr))
	}
	if err != nil {
		return fmt.Errorf("iggy: provision topics%s: %w", c.suffix(), err)
	}
	return nil
}

// suffix is " of cluster NAME" for errors, or "" for the cluster of Module.
func (c *cluster) suffix() string {
	if c.name == "" {
		return ""
	}
	return " of cluster " + c.name
}

// component returns the full name of a component of the cluster in health reports.
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
	c.lifecycle.Append(fx.Hook{OnStop: func(ctx context.Context) error {
		c.stopWorkloads(ctx)
		return a.Close()
	}})
	return a, nil
}
