package fxiggy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// startCore runs an application without FetchBox's topics until the test ends.
func startCore(t *testing.T, opts ...fx.Option) {
	t.Helper()
	app := fx.New(append([]fx.Option{quiet, fxiggy.Core}, opts...)...)
	require.NoError(t, app.Err())
	require.NoError(t, app.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, stop(app)) })
}

// An application with nothing but topics of its own, and the prefix of its own.
func TestCoreHasNoTopics(t *testing.T) {
	t.Parallel()
	srv := server(t)
	var (
		a   *admin.Admin
		cfg config.Config
		pub *producer.Publisher[Order]
	)
	environ := config.WithEnviron([]string{
		"SHOP__IGGY__ENDPOINT=" + srv.Endpoint(), "SHOP__IGGY__CLIENT_ID=iggy", "SHOP__IGGY__CLIENT_SECRET=iggy",
		"SHOP__TOPICS__ORDERS__PARTITIONS=5", "FETCHBOX__NONE=1",
	})
	startCore(t, fxiggy.Prefix("SHOP"), fxiggy.ConfigOptions(environ), fxiggy.Publish(Orders), fx.Populate(&a, &cfg, &pub))
	require.Empty(t, cfg.Consumers)
	require.Equal(t, []string{"orders"}, keys(cfg.Topics.Declared))
	_, err := a.Topics(t.Context(), "fetchbox")
	require.ErrorIs(t, err, iggyerr.ErrNotFound)
	_, partitions, err := a.Topic(t.Context(), "shop", "orders")
	require.NoError(t, err)
	require.Len(t, partitions, 5)

	err = fx.New(quiet, fxiggy.Core, configured(offline), fx.Invoke(func(*jobs.Publisher) {})).Err()
	require.ErrorContains(t, err, "*jobs.Publisher")
}

func keys[V any](m map[string]V) (all []string) {
	for key := range m {
		all = append(all, key)
	}
	return all
}

// The topic of a Consume and a Publish is as configured, whatever its Go value says.
func TestTopicsAreConfigured(t *testing.T) {
	t.Parallel()
	home, eu := server(t), server(t)
	yaml := string(home.YAML()) + "topics: {orders: {name: orders.v2, partitions: 6, compression: zstd, compression_min_size: 1}}\n" +
		"clusters: {eu: {iggy: {endpoint: '" + eu.Endpoint() + "', client_id: iggy, client_secret: iggy}, topics: {orders: {stream: europe, retention: 3d}}}}\n"
	got := make(chan string, 1)
	var (
		pub    *producer.Publisher[Order]
		a      *admin.Admin
		europe *admin.Admin
	)
	startCore(t, fxiggy.Cluster("eu"), configured(yaml),
		fxiggy.Publish(Orders), fxiggy.Consume(Orders, "billing"), fxiggy.Consume(Orders, "audit", fxiggy.As("audit")),
		fxiggy.Publish(Orders, fxiggy.On("eu")),
		fx.Populate(&pub, &a, fx.Annotate(&europe, fx.ParamTags(`name:"eu"`))),
		fx.Invoke(fx.Annotate(func(*producer.Publisher[Order]) {}, fx.ParamTags(`name:"eu"`))),
		fx.Invoke(func(c *consumer.Consumer[Order]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[Order]) error {
				got <- m.Topic()
				return nil
			})
		}))
	require.NoError(t, errOf(pub.Publish(t.Context(), Order{ID: string(make([]byte, 1000))})))
	require.Equal(t, "orders.v2", receive(t, got))
	stored := home.Messages("shop", "orders.v2")
	require.Len(t, stored, 1)
	require.Less(t, len(stored[0].Payload), 200)
	require.Equal(t, "zstd", stored[0].Header(topic.HeaderContentEncoding))
	_, partitions, err := a.Topic(t.Context(), "shop", "orders.v2")
	require.NoError(t, err)
	require.Len(t, partitions, 6)
	there, partitions, err := europe.Topic(t.Context(), "europe", "orders")
	require.NoError(t, err)
	require.Len(t, partitions, 3, "the setting of the Go value is the default")
	require.Equal(t, config.Retention(there.Retention).String(), "3d")
}

func TestTopicsOfOneSectionMustNotDiffer(t *testing.T) {
	t.Parallel()
	raw := topic.New("shop", "orders", topic.Bytes(), topic.WithSettings[[]byte](Orders.Settings()))
	returned := topic.New("returns", "orders", topic.Bytes())
	build := func(opts ...fx.Option) error {
		return fx.New(append(opts, quiet, fxiggy.Core, fxiggy.Cluster("eu"), configured(""), fxiggy.Publish(Orders), fx.Invoke(func(config.Config) {}))...).Err()
	}
	require.NoError(t, build(fxiggy.Publish(raw), fxiggy.Consume(raw, "archive")), "the same topic with another codec")
	require.ErrorContains(t, build(fxiggy.Publish(returned)), "topics.orders: set another section with topic.Section")
	require.NoError(t, build(fxiggy.Publish(returned, fxiggy.On("eu"))), "on another cluster")
	require.NoError(t, build(fxiggy.Publish(returned.With(topic.Section[[]byte]("returned")))))
	require.ErrorContains(t, build(fxiggy.Publish(returned, fxiggy.On("mars"))), `topic "orders": there is no cluster "mars"`)
	require.ErrorContains(t, build(fxiggy.Producer(fxiggy.With(producer.WithName("x")), fxiggy.On("mars"))), `producer: there is no cluster "mars"`)
}

// Without credentials at the top level, an application can use another cluster only.
func TestOnlyClustersThatAreUsedNeedALogin(t *testing.T) {
	t.Parallel()
	eu := server(t)
	yaml := "clusters: {eu: {iggy: {endpoint: '" + eu.Endpoint() + "', client_id: iggy, client_secret: iggy}}}\n"
	var (
		pub      *producer.Publisher[Order]
		registry *health.Registry
	)
	startCore(t, fxiggy.Cluster("eu"), fxiggy.Cluster("us"), configured(yaml), fxiggy.Publish(Orders, fxiggy.On("eu")),
		fx.Populate(&registry, fx.Annotate(&pub, fx.ParamTags(`name:"eu"`))))
	require.NoError(t, errOf(pub.Publish(t.Context(), Order{ID: "1"})))
	require.Equal(t, []string{"eu.producer"}, names(registry.Check(t.Context())))

	const missing = "iggy.client_id: must be set, with client_secret or client_secret_file, unless token is"
	err := fx.New(quiet, fxiggy.Core, configured(""), fxiggy.Publish(Orders), fx.Invoke(func(*producer.Publisher[Order]) {})).Err()
	require.EqualError(t, fxiggy.Cause(err), missing+" (IGGY__IGGY__CLIENT_ID)")
	err = fx.New(quiet, fxiggy.Core, fxiggy.Cluster("us"), configured(offline), fx.Invoke(fx.Annotate(func(*admin.Admin) {}, fx.ParamTags(`name:"us"`)))).Err()
	require.EqualError(t, fxiggy.Cause(err), "clusters.us."+missing+" (IGGY__CLUSTERS__US__IGGY__CLIENT_ID)")
	err = fx.New(quiet, fxiggy.Core, configured("iggy:\n  client_id: ''\n"), fx.Invoke(func(*admin.Admin) {})).Err()
	require.EqualError(t, fxiggy.Cause(err), missing+" (test.yaml:2)")
}

// A topic that only a constructor can make, with a key from a store of secrets for example, replaces
// the declared one.
func TestATopicOfTheApplicationReplacesTheDeclaredOne(t *testing.T) {
	t.Parallel()
	srv := server(t)
	keys := make(chan string, 1)
	var (
		pub    *producer.Publisher[Order]
		images *producer.Publisher[[]byte]
	)
	other := topic.New("elsewhere", "images", topic.Bytes())
	startCore(t, configured(string(srv.YAML())+"topics: {orders: {partitions: 2}}\n"),
		fxiggy.Publish(Orders), fxiggy.Consume(Orders, "billing"), fxiggy.Publish(Images),
		fx.Supply(other.With(topic.Section[[]byte]("other"))),
		fx.Provide(func() topic.Topic[Order] {
			return Orders.With(topic.Key(func(o Order) string { return "by id " + o.ID })).At("elsewhere", "")
		}),
		fx.Invoke(func(c *consumer.Consumer[Order]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[Order]) error {
				keys <- m.Key()
				return nil
			})
		}), fx.Populate(&pub, &images))
	require.NoError(t, errOf(pub.Publish(t.Context(), Order{ID: "7"})))
	require.Equal(t, "by id 7", receive(t, keys))
	require.Len(t, srv.Messages("shop", "orders"), 1, "the place is configured")
	require.NoError(t, errOf(images.Publish(t.Context(), []byte("x"))))
	require.Len(t, srv.Messages("shop", "images"), 1, "the supplied topic has another section")
}

func TestDeadLettersToAValueOfTheGraph(t *testing.T) {
	t.Parallel()
	srv, lost := server(t), make(orderSink)
	var pub *producer.Publisher[Order]
	fail := func(c *consumer.Consumer[Order]) error {
		return c.Handle(func(context.Context, *consumer.Message[Order]) error {
			return consumer.Permanent(errors.New("sold out"))
		})
	}
	startCore(t, configured(string(srv.YAML())), fxiggy.Consume(Orders, "billing", fxiggy.DeadLettersTo[orderSink]()),
		fxiggy.Publish(Orders), fx.Supply(lost), fx.Invoke(fail), fx.Populate(&pub))
	require.NoError(t, errOf(pub.Publish(t.Context(), Order{ID: "1"})))
	require.Equal(t, "1", receive(t, lost).Value.ID)

	err := fx.New(quiet, fxiggy.Core, configured(offline), fxiggy.Consume(Orders, "billing", fxiggy.DeadLettersTo[sink]()), fx.Supply(make(sink)), fx.Invoke(fail)).Err()
	require.EqualError(t, fxiggy.Cause(err), "fxiggy: consumer billing: DeadLettersTo: a fxiggy_test.sink does not implement "+
		"consumer.DeadLetters[github.com/fetchbox/fetchbox-iggy/fxiggy_test.Order]")
}
