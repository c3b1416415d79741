package fxiggy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// journal is a component of the application that middleware needs.
type journal struct{ lines chan string }

func newJournal() *journal { return &journal{make(chan string, 20)} }

// around returns middleware that writes its name to the journal before and after a message.
func around[T any](j *journal, name string) consumer.Middleware[T] {
	return func(next consumer.Handler[T]) consumer.Handler[T] {
		return func(ctx context.Context, m *consumer.Message[T]) error {
			j.lines <- name
			defer func() { j.lines <- "/" + name }()
			return next(ctx, m)
		}
	}
}

// sent returns middleware that writes its name to the journal for each message.
func sent(j *journal, name string) producer.Middleware {
	return func(context.Context, *producer.Message) (func(producer.Result), error) {
		j.lines <- name
		return nil, nil
	}
}

// Middleware is called in the order that it states, wherever it is listed, and with what Fx provides.
func TestMiddlewareIsInItsOrder(t *testing.T) {
	t.Parallel()
	srv := server(t)
	for range 5 { // Fx shuffles the values of a group
		j := newJournal()
		var pub *producer.Publisher[Order]
		var own *producer.Publisher[[]byte]
		app := fx.New(quiet, fxiggy.Core, configured(string(srv.YAML())),
			fxiggy.Consume(Orders, "billing"),
			fxiggy.ConsumerMiddleware[Order](30, func(j *journal) (consumer.Middleware[Order], error) { return around[Order](j, "c"), nil }),
			fxiggy.ConsumerMiddleware[Order](-1, around[Order](j, "a")),
			fxiggy.ConsumerMiddleware[Order](2, func(next consumer.Handler[Order]) consumer.Handler[Order] { return around[Order](j, "b")(next) }),
			fxiggy.ProducerMiddleware(2, func(j *journal) producer.Middleware { return sent(j, "2") }),
			fxiggy.ProducerMiddleware(1, sent(j, "1")),
			fxiggy.Publish(Orders), fxiggy.Publish(Images, fxiggy.With(producer.Use(sent(j, "own")))),
			fx.Supply(j), fx.Populate(&pub, &own),
			fx.Invoke(func(c *consumer.Consumer[Order]) error {
				return errors.Join(c.Use(around[Order](j, "d")), c.Handle(func(context.Context, *consumer.Message[Order]) error {
					j.lines <- "handler"
					return nil
				}))
			}))
		require.NoError(t, app.Err())
		require.NoError(t, app.Start(t.Context()))
		_, err := pub.Publish(t.Context(), Order{ID: "1"})
		require.NoError(t, err)
		var got []string
		for range 11 {
			got = append(got, receive(t, j.lines))
		}
		require.Equal(t, []string{"1", "2", "a", "b", "c", "d", "handler", "/d", "/c", "/b", "/a"}, got)

		_, err = own.Publish(t.Context(), []byte("image"))
		require.NoError(t, err)
		require.Equal(t, []string{"1", "2", "own"}, []string{receive(t, j.lines), receive(t, j.lines), receive(t, j.lines)})
		require.NoError(t, stop(app))
	}
}

// FetchBox's consumers and publishers have middleware as those of any topic.
func TestMiddlewareOfFetchBox(t *testing.T) {
	t.Parallel()
	srv, j := server(t), newJournal()
	var pub *jobs.Publisher
	start(t, configured(yaml(srv)), fx.Supply(j), fx.Populate(&pub),
		fxiggy.ConsumerMiddleware[*jobspb.DownloadTask](1, func(j *journal) consumer.Middleware[*jobspb.DownloadTask] {
			return around[*jobspb.DownloadTask](j, "tasks")
		}),
		fxiggy.ConsumerMiddleware[*jobspb.JobLog](1, around[*jobspb.JobLog](j, "logs")),
		fxiggy.ProducerMiddleware(1, sent(j, "sent")),
		fx.Invoke(func(c *consumer.Consumer[*jobspb.DownloadTask]) error {
			return c.Handle(func(context.Context, *consumer.Message[*jobspb.DownloadTask]) error { return nil })
		}))
	_, err := pub.PublishDownloadTask(t.Context(), task("a"))
	require.NoError(t, err)
	require.Equal(t, []string{"sent", "tasks", "/tasks"}, []string{receive(t, j.lines), receive(t, j.lines), receive(t, j.lines)})
}

func TestFaultsOfMiddleware(t *testing.T) {
	t.Parallel()
	j := newJournal()
	for name, tt := range map[string]struct {
		options fx.Option
		want    string
	}{
		"same order": {
			fx.Options(fxiggy.ConsumerMiddleware[Order](1, around[Order](j, "a")), fxiggy.ConsumerMiddleware[Order](1, around[Order](j, "b"))),
			"fxiggy: consumer billing has two middlewares with the order 1",
		},
		"same order of a producer": {
			fx.Options(fxiggy.ProducerMiddleware(7, sent(j, "a")), fxiggy.ProducerMiddleware(7, sent(j, "b"))),
			"fxiggy: producer has two middlewares with the order 7",
		},
		"nil": {
			fxiggy.ConsumerMiddleware[Order](1, consumer.Middleware[Order](nil)),
			"middleware 1 of 1 is nil",
		},
		"a failed constructor": {
			fxiggy.ConsumerMiddleware[Order](1, func() (consumer.Middleware[Order], error) { return nil, errors.New("no quota file") }),
			"no quota file",
		},
		"of another type": {
			fxiggy.ConsumerMiddleware[Order](1, func() consumer.Middleware[int] { return nil }),
			"consumer.Middleware[github.com/fetchbox/fetchbox-iggy/fxiggy_test.Order]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := fx.New(quiet, fxiggy.Core, configured(offline), fxiggy.Consume(Orders, "billing"), fxiggy.Publish(Orders), tt.options,
				fx.Invoke(func(*consumer.Consumer[Order], *producer.Publisher[Order]) {})).Err()
			require.ErrorContains(t, err, tt.want)
		})
	}
}
