package fxiggy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

// cluster is shared by the components of one cluster.
type cluster struct {
	*runtime
	name        string // empty for the cluster of Core
	cfg         config.Cluster
	provisioner *provisioner  // nil when topics.provision is off
	waited      time.Duration // of the start timeout, by the hooks so far, which run one after another
	prepared    bool

	// The loop that provisions what goes missing.
	watch       context.Context
	cancelWatch context.CancelCauseFunc
	watchDone   chan struct{} // closed when it has ended, nil when it was not started
	consumers   []func() consumer.Status

	deadLetters map[string][]string // topics to those of the dead letters of their consumers
}

// clusterOf returns the constructor of the cluster with the given name. The cluster's hook is the
// first one of its components: when it runs, all of them are built and have called requireTopic.
func clusterOf(name string) func(*runtime) (*cluster, error) {
	return func(rt *runtime) (*cluster, error) {
		if err := rt.cfg.ValidateCluster(name); err != nil {
			return nil, rt.sources.Locate(err)
		}
		c := &cluster{runtime: rt, name: name, cfg: rt.cfg.Cluster, deadLetters: map[string][]string{}}
		if name != "" {
			c.cfg = rt.cfg.Clusters[name]
		}
		if c.cfg.Topics.Provision {
			c.provisioner = newProvisioner(c)
		}
		c.watch, c.cancelWatch = context.WithCancelCause(context.Background())
		rt.clusters = append(rt.clusters, c)
		rt.lifecycle.Append(fx.Hook{OnStart: c.prepare})
		return c, nil
	}
}

// requireTopic adds a topic, and the groups of a consumer, to those that are provisioned.
func (c *cluster) requireTopic(t admin.TopicSpec) {
	if c.provisioner != nil {
		c.provisioner.require(t)
	}
}

// start starts a component of the cluster. All that a start does on the network has one time limit,
// the start timeout, which does not count the time between the hooks.
func (c *cluster) start(ctx context.Context, start func(ctx context.Context) error) error {
	ctx, cancel := withReserve(ctx, startReserve)
	defer cancel()
	limit := c.cfg.Iggy.StartTimeout
	ctx, stop := context.WithTimeoutCause(ctx, limit-c.waited, fmt.Errorf("not done within the start timeout of %s", limit))
	defer stop()
	began := time.Now()
	defer func() { c.waited += time.Since(began) }()
	return start(ctx)
}

// prepare provisions the topics and begins to watch them, once. In a start in the background it
// waits for neither.
func (c *cluster) prepare(ctx context.Context) error {
	if c.prepared || c.provisioner == nil {
		return nil
	}
	c.prepared = true
	if c.cfg.Iggy.Start != config.StartBackground {
		if err := c.start(ctx, c.provisioner.retry); err != nil {
			return err
		}
	}
	c.watchDone = make(chan struct{})
	go c.watchTopics()
	return nil
}

// watchInterval is how often the consumers are asked whether something is missing.
const watchInterval = time.Second

// watchTopics provisions at once when the start has not waited for it, and then what goes missing
// under a consumer. What goes missing under the producer is provisioned when a message is sent, or
// when the producer reads the topic's metadata.
func (c *cluster) watchTopics() {
	defer close(c.watchDone)
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	due := c.cfg.Iggy.Start == config.StartBackground
	for {
		if due || c.isTopicMissing() {
			_ = c.provisioner.retry(c.watch) // it is logged, and the health checks report it
		}
		due = false
		select {
		case <-tick.C:
		case <-c.watch.Done():
			return
		}
	}
}

// isTopicMissing reports whether a consumer has found since the last attempt that its topic or
// group is missing.
func (c *cluster) isTopicMissing() bool {
	last, _ := c.provisioner.last()
	for _, status := range c.consumers {
		s := status()
		missing := errors.Is(s.Problem, iggyerr.ErrNotFound) || s.Parked != nil && errors.Is(s.Parked.Problem, iggyerr.ErrNotFound)
		if missing && s.LastErrorAt.After(last) {
			return true
		}
	}
	return false
}

// stop ends the loop of watchTopics.
func (c *cluster) stop(ctx context.Context) error {
	c.cancelWatch(iggyerr.ErrClosed)
	if c.watchDone == nil {
		return nil
	}
	select {
	case <-c.watchDone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("fxiggy: provisioning%s still runs: %w", c.suffix(), context.Cause(ctx))
	}
}

// suffix is " of cluster NAME" for errors, or "" for the cluster of Core.
func (c *cluster) suffix() string {
	if c.name == "" {
		return ""
	}
	return " of cluster " + c.name
}

// qualified returns the name of a component of the cluster in errors and health reports: with the
// cluster's in front, if that has one.
func (c *cluster) qualified(name string) string { return telemetry.QualifiedName(c.name, name) }

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
