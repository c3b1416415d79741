package fxiggy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Order is a message of another application, in JSON.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
}

var (
	Orders = topic.New("shop", "orders", topic.JSON[Order](),
		topic.Key(func(o Order) string { return o.Customer }), topic.WithSettings[Order](topic.Settings{Partitions: 3}))
	Images = topic.New("shop", "images", topic.Bytes())
)

func TestConsumeAndPublish(t *testing.T) {
	t.Parallel()
	srv := server(t)
	orders, images := make(chan Order), make(chan []byte)
	var (
		pubOrders *producer.Publisher[Order]
		pubImages *producer.Publisher[[]byte]
		got       config.Config
	)
	start(t, configured(yaml(srv)+"consumers: {orders: {max_in_flight: 7}}\n"),
		fxiggy.Consume(Orders, "orders"), fxiggy.Publish(Orders),
		fxiggy.Consume(Images, "images", fxiggy.As("raw"), fxiggy.Defaults(config.DefaultConsumer("painters"))),
		fxiggy.Publish(Images),
		fx.Populate(&pubOrders, &pubImages, &got),
		fx.Invoke(func(c *consumer.Consumer[Order]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[Order]) error {
				orders <- m.Value
				return nil
			})
		}),
		fx.Invoke(fx.Annotate(func(c *consumer.Consumer[[]byte]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[[]byte]) error {
				images <- m.Value
				return nil
			})
		}, fx.ParamTags(`name:"raw"`))),
	)
	require.Equal(t, 7, got.Consumers["orders"].MaxInFlight)
	require.Equal(t, "orders", got.Consumers["orders"].Group)
	require.Equal(t, "painters", got.Consumers["images"].Group)
	require.NoError(t, errOf(pubOrders.Publish(t.Context(), Order{ID: "1", Customer: "c"})))
	require.Equal(t, Order{ID: "1", Customer: "c"}, receive(t, orders))
	require.NoError(t, errOf(pubImages.Publish(t.Context(), []byte{1, 2, 3})))
	require.Equal(t, []byte{1, 2, 3}, receive(t, images))
}

type orderSink chan topic.Failure[Order]

func (s orderSink) DeadLetter(_ context.Context, f topic.Failure[Order]) error {
	s <- f
	return nil
}

func TestConsumeUsesTheDeadLettersOfTheApplication(t *testing.T) {
	t.Parallel()
	srv, lost := server(t), make(orderSink)
	var pub *producer.Publisher[Order]
	start(t, configured(yaml(srv)), fxiggy.Consume(Orders, "orders"), fxiggy.Publish(Orders), fx.Populate(&pub),
		fx.Provide(func() consumer.DeadLetters[Order] { return lost }),
		fx.Invoke(func(c *consumer.Consumer[Order]) error {
			return c.Handle(func(context.Context, *consumer.Message[Order]) error {
				return consumer.Permanent(errors.New("sold out"))
			})
		}))
	require.NoError(t, errOf(pub.Publish(t.Context(), Order{ID: "1"})))
	require.Equal(t, "1", receive(t, lost).Value.ID)
}

func TestSeveralClusters(t *testing.T) {
	t.Parallel()
	home, eu := server(t), server(t)
	tasks := make(chan string)
	say := func(where string) func(*consumer.Consumer[*jobspb.DownloadTask]) error {
		return func(c *consumer.Consumer[*jobspb.DownloadTask]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
				tasks <- where + " " + m.Stream() + " " + m.Value.GetResourceId()
				return nil
			})
		}
	}
	orders := make(chan Order)
	var (
		here, there *jobs.Publisher
		pub         *producer.Publisher[Order]
		registry    *health.Registry
	)
	section := "clusters:\n  eu:" + strings.ReplaceAll(yaml(eu), "\n", "\n    ") + "\n"
	section = strings.Replace(section, "tasks: {", "tasks: {stream: europe, ", 1)
	start(t, configured(yaml(home)+section), fxiggy.Named("eu"),
		fxiggy.Consume(Orders, "orders", fxiggy.On("eu")), fxiggy.Publish(Orders, fxiggy.On("eu")),
		fx.Populate(&here, &registry, fx.Annotate(&there, fx.ParamTags(`name:"eu"`)), fx.Annotate(&pub, fx.ParamTags(`name:"eu"`))),
		fx.Invoke(say("home"), fx.Annotate(say("eu"), fx.ParamTags(`name:"eu"`))),
		fx.Invoke(fx.Annotate(func(c *consumer.Consumer[Order]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[Order]) error {
				orders <- m.Value
				return nil
			})
		}, fx.ParamTags(`name:"eu"`))),
	)
	require.NoError(t, errOf(here.PublishDownloadTask(t.Context(), task("a"))))
	require.Equal(t, "home fetchbox a", receive(t, tasks))
	require.NoError(t, errOf(there.PublishDownloadTask(t.Context(), task("b"))))
	require.Equal(t, "eu europe b", receive(t, tasks))
	require.NoError(t, errOf(pub.Publish(t.Context(), Order{ID: "1"})))
	require.Equal(t, "1", receive(t, orders).ID)
	require.Equal(t, []string{"consumer.tasks", "eu.consumer.orders", "eu.consumer.tasks", "eu.producer", "producer"}, names(registry.Check(t.Context())))
	require.NotEmpty(t, eu.Messages("shop", "orders"))
	require.Empty(t, home.Messages("shop", "orders"), "it is the other cluster's")
}
