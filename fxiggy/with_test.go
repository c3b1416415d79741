package fxiggy_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// A standalone consumer reads the whole topic by itself, and has no group.
func TestAStandaloneConsumerHasNoGroup(t *testing.T) {
	t.Parallel()
	srv, seen := server(t), make(chan Order, 4)
	var (
		pub      *producer.Publisher[Order]
		a        *admin.Admin
		registry *health.Registry
	)
	startCore(t, configured(string(srv.YAML())+"health: {interval: 0s}\n"), fxiggy.Publish(Orders),
		fxiggy.Consume(Orders, "view", fxiggy.With(consumer.WithStandalone(consumer.Standalone{Start: consumer.First()}))),
		fx.Populate(&pub, &a, &registry),
		fx.Invoke(func(c *consumer.Consumer[Order]) error {
			require.Empty(t, c.Groups())
			return c.Handle(func(_ context.Context, m *consumer.Message[Order]) error {
				seen <- m.Value
				return nil
			})
		}))
	require.NoError(t, pub.PublishAll(t.Context(), []Order{{ID: "1", Customer: "a"}, {ID: "2", Customer: "b"}}))
	require.ElementsMatch(t, []string{"1", "2"}, []string{receive(t, seen).ID, receive(t, seen).ID})
	groups, err := a.Groups(t.Context(), "shop", "orders")
	require.NoError(t, err)
	require.Empty(t, groups)
	report := registry.Check(t.Context())
	require.Equal(t, health.Up, report.Status)
	var detail struct {
		Standalone, Joined bool
		Partitions         []uint32
	}
	require.NoError(t, json.Unmarshal(report.Components["consumer.view"].Detail, &detail))
	require.True(t, detail.Standalone)
	require.True(t, detail.Joined)
	require.Equal(t, []uint32{0, 1, 2}, detail.Partitions)
}

func TestHooksOfAConsumer(t *testing.T) {
	t.Parallel()
	srv, assigned, handlers := server(t), make(chan []uint32, 3), 0
	startCore(t, configured(string(srv.YAML())),
		fxiggy.Consume(Orders, "billing", fxiggy.With(
			consumer.OnAssigned(func(_ context.Context, partitions []uint32) { assigned <- partitions }),
			consumer.OnHandler(func() { handlers++ }),
		)),
		fx.Invoke(func(c *consumer.Consumer[Order]) error {
			return c.Handle(func(context.Context, *consumer.Message[Order]) error { return nil })
		}))
	require.Subset(t, []uint32{0, 1, 2}, receive(t, assigned))
	require.Equal(t, 1, handlers, "beside the hook of the module")
}

// Options of a producer are for the publisher that they are given to, and those of Producer for the
// producer that the others share.
func TestOptionsOfProducers(t *testing.T) {
	t.Parallel()
	srv := server(t)
	to := func(partition uint32) producer.Option {
		return producer.WithPartitioner(func(string, string, string, uint32) uint32 { return partition })
	}
	type publishers struct {
		fx.In
		Shared   *producer.Publisher[Order]
		Own      *producer.Publisher[Order] `name:"own"`
		Producer *producer.Producer
	}
	var (
		pub      publishers
		registry *health.Registry
	)
	startCore(t, configured(string(srv.YAML())), fxiggy.Producer(fxiggy.With(to(1))),
		fxiggy.Publish(Orders), fxiggy.Publish(Orders, fxiggy.As("own"), fxiggy.With(to(2))),
		fx.Populate(&registry), fx.Invoke(func(p publishers) { pub = p }))
	for want, p := range map[uint32]*producer.Publisher[Order]{1: pub.Shared, 2: pub.Own} {
		r, err := p.Publish(t.Context(), Order{ID: "1", Customer: "a"})
		require.NoError(t, err)
		require.Equal(t, want, r.Partition)
	}
	require.Equal(t, []string{"producer", "producer.own"}, names(registry.Check(t.Context())))
	require.EqualValues(t, 1, pub.Producer.Status().Confirmed)
}

func TestOptionsAreForWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	for want, option := range map[string]fx.Option{
		"fxiggy: consume shop/orders: With producer options is for Publish and Producer": fxiggy.Consume(Orders, "a", fxiggy.With(producer.WithName("a"))),
		"fxiggy: publish shop/orders: With consumer options is for Consume":              fxiggy.Publish(Orders, fxiggy.With(consumer.WithName("a"))),
		"fxiggy: publish shop/orders: Defaults is for Consume":                           fxiggy.Publish(Orders, fxiggy.Defaults(config.DefaultConsumer("a"))),
		"fxiggy: publish shop/orders: DeadLettersTo is for Consume":                      fxiggy.Publish(Orders, fxiggy.DeadLettersTo[sink]()),
		"fxiggy: producer: As is for Consume and Publish":                                fxiggy.Producer(fxiggy.As("a")),
	} {
		require.EqualError(t, fx.New(quiet, fxiggy.Core, configured(offline), option).Err(), want)
	}
	err := fx.New(quiet, fxiggy.Core, configured(offline), fxiggy.Consume(Orders, "a", fxiggy.With(consumer.WithName("a"), nil)),
		fx.Invoke(func(*consumer.Consumer[Order]) {})).Err()
	require.EqualError(t, err, "fxiggy: consume shop/orders: With: option 2 of 2 is nil")
}
