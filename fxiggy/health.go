package fxiggy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

type registryParams struct {
	fx.In
	Lifecycle fx.Lifecycle
	Config    config.Config
	Logger    *zap.Logger `optional:"true"`
}

// newRegistry returns the registry of health checks. Components register themselves when they are
// built; an Fx value group would build all of them.
func newRegistry(p registryParams) (*health.Registry, error) {
	r, err := health.NewRegistry(p.Config.Health, health.WithLogger(p.Logger))
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.Hook{OnStop: func(ctx context.Context) error {
		ctx, cancel := withReserve(ctx, closeReserve)
		defer cancel()
		return r.Stop(ctx)
	}})
	return r, nil
}

func newHandler(r *health.Registry) *health.Handler { return health.NewHandler(r) }

// addCheck registers the health check of a component. It fails, too, while topics of the cluster
// can't be provisioned.
func (c *cluster) addCheck(name string, check func(ctx context.Context) health.Result) error {
	return c.registry.Register(health.New(c.qualified(name), func(ctx context.Context) health.Result {
		result := check(ctx)
		if c.provisioner == nil {
			return result
		}
		if _, err := c.provisioner.last(); err != nil {
			return resultOf(errors.Join(result.Err, fmt.Errorf("topics not provisioned: %w", err)), result.Detail)
		}
		return result
	}))
}

func resultOf(err error, detail any) health.Result {
	if err != nil {
		// On one line: joined errors have several.
		err = errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
		return health.Result{Status: health.Down, Err: err, Detail: detail}
	}
	return health.Result{Status: health.Up, Detail: detail}
}

// producerDetail is the detail of a producer in health reports.
type producerDetail struct {
	Cluster          string             `json:"cluster,omitempty"`
	BufferedBytes    int64              `json:"buffered_bytes"`
	BufferedMessages int64              `json:"buffered_messages"`
	Confirmed        uint64             `json:"confirmed"`
	Failed           uint64             `json:"failed"`
	Unknown          uint64             `json:"unknown"`
	Retries          uint64             `json:"retries"`
	Connections      []connectionDetail `json:"connections"`
}

type connectionDetail struct {
	Address    string `json:"address"`
	State      string `json:"state"`
	Breaker    string `json:"breaker"`
	Reconnects uint64 `json:"reconnects"`
}

func checkProducer(cluster string, p *producer.Producer) func(ctx context.Context) health.Result {
	return func(ctx context.Context) health.Result {
		err := connectionErrors(p.Status())
		if err == nil {
			err = checkWithReserve(ctx, p)
		}
		s := p.Status()
		d := producerDetail{
			Cluster: cluster, BufferedBytes: s.BufferedBytes, BufferedMessages: s.BufferedMessages,
			Confirmed: s.Confirmed, Failed: s.Failed, Unknown: s.Unknown, Retries: s.Retries,
		}
		for _, c := range s.Connections {
			d.Connections = append(d.Connections, connectionDetail{c.Address, c.State, c.Breaker, c.Reconnects})
		}
		return resultOf(err, d)
	}
}

// connectionErrors returns the errors of connections that are not established. p.Check would wait
// for these connections, and a probe has little time and reports the cause.
func connectionErrors(s producer.Status) error {
	var errs []error
	for _, c := range s.Connections {
		if c.State != string(link.StateConnecting) {
			continue
		}
		err := fmt.Errorf("iggy: %s: %w to %s", c.Name, iggyerr.ErrNotConnected, c.Address)
		if c.LastError != nil {
			err = fmt.Errorf("%w: %w", err, c.LastError)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkWithReserve calls p.Check with three quarters of the time that ctx has. After the rest, the
// registry ends the check, without its cause and detail.
func checkWithReserve(ctx context.Context, p *producer.Producer) error {
	if end, ok := ctx.Deadline(); ok {
		limit := time.Until(end) * 3 / 4
		bounded, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit.Round(100*time.Millisecond)))
		defer cancel()
		ctx = bounded
	}
	return p.Check(ctx)
}

// consumerDetail is the detail of a consumer in health reports.
type consumerDetail struct {
	Cluster    string   `json:"cluster,omitempty"`
	Topic      string   `json:"topic"`
	Group      string   `json:"group,omitempty"`
	Standalone bool     `json:"standalone,omitempty"`
	Consuming  bool     `json:"consuming"`
	Joined     bool     `json:"joined"`
	Partitions []uint32 `json:"partitions"`
	InFlight   int      `json:"in_flight"`
	Lag        uint64   `json:"lag"`
	Parked     uint64   `json:"parked,omitempty"`
	OldestAge  string   `json:"oldest_age,omitempty"`
}

func checkConsumer[T any](cluster string, hooks *consumerHooks, built *consumer.Consumer[T]) func(ctx context.Context) health.Result {
	return func(ctx context.Context) health.Result {
		err := errors.Join(hooks.check(), built.Check(ctx))
		s := built.Status()
		d := consumerDetail{
			Cluster: cluster, Topic: s.Stream + "/" + s.Topic, Group: s.Group, Standalone: s.Standalone, Consuming: s.Consuming, Joined: s.Joined,
			Partitions: make([]uint32, len(s.Partitions)), InFlight: s.InFlight, Lag: s.Lag,
		}
		for i, p := range s.Partitions {
			d.Partitions[i] = p.ID
		}
		if s.OldestAge > 0 {
			d.OldestAge = s.OldestAge.String()
		}
		if s.Parked != nil {
			d.Parked = s.Parked.Lag
		}
		return resultOf(err, d)
	}
}
