package fxiggy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// retryOnce asks for the second delivery of each message after a delay.
func retryOnce(delay time.Duration, values chan<- string) any {
	return func(c *consumer.Consumer[[]byte]) error {
		return c.Handle(func(_ context.Context, m *consumer.Message[[]byte]) error {
			values <- fmt.Sprintf("%s %d", m.Value, m.Deliveries())
			if m.Deliveries() == 1 {
				return consumer.RetryAfter(delay, errors.New("429"))
			}
			return nil
		})
	}
}

func TestParkedMessagesComeBack(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		messages, values := newTopic(t, srv), make(chan string, 10)
		var (
			pub     *bytesPublisher
			handler *health.Handler
		)
		start(t, configured(yaml(srv)+"health: {interval: 0s}\nconsumers: {in: {park_after: 50ms, parked: {partitions: 4, retention: 3d}}}\n"),
			fxiggy.Consume(messages, "in", fxiggy.Parking()), fxiggy.Publish(messages),
			fx.Invoke(retryOnce(300*time.Millisecond, values)), fx.Populate(&pub, &handler))
		a := newAdmin(t, yaml(srv))
		for round := range 2 {
			require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
			require.Equal(t, "a 1", receive(t, values))
			require.Equal(t, "a 2", receive(t, values))
			requireReady(t, handler)
			found, _, err := a.Topic(t.Context(), messages.Stream(), "t.in.parked")
			require.NoError(t, err)
			require.EqualValues(t, 4, found.Partitions)
			require.Equal(t, 72*time.Hour, found.Retention)
			if round == 0 { // it comes back
				require.NoError(t, a.DeleteTopic(t.Context(), messages.Stream(), "t.in.parked"))
			}
		}
	})
}

func TestParkingIsOffByDefault(t *testing.T) {
	t.Parallel()
	srv := server(t)
	messages, values := newTopic(t, srv), make(chan string, 10)
	var pub *bytesPublisher
	start(t, configured(yaml(srv)), fxiggy.Consume(messages, "in", fxiggy.Parking()), fxiggy.Publish(messages),
		fx.Invoke(retryOnce(time.Millisecond, values)), fx.Populate(&pub))
	require.NoError(t, errOf(pub.Publish(t.Context(), []byte("a"))))
	require.Equal(t, "a 1", receive(t, values))
	require.Equal(t, "a 2", receive(t, values))
	_, _, err := newAdmin(t, yaml(srv)).Topic(t.Context(), messages.Stream(), "t.in.parked")
	require.Error(t, err)

	build := func(yaml string, opts ...fxiggy.Option) error {
		err := fx.New(quiet, fxiggy.Core, configured(offline+"\n"+yaml), fxiggy.Consume(Orders, "billing", opts...), fx.Invoke(func(*consumer.Consumer[Order]) {})).Err()
		return fxiggy.Cause(err)
	}
	require.EqualError(t, build("consumers: {billing: {park_after: 1m}}"),
		"iggy: consumer billing: park_after needs a producer that writes the parked messages: WithParking")
	require.NoError(t, build("consumers: {billing: {park_after: 1m}}", fxiggy.Parking()))
	require.ErrorContains(t, build("consumers: {billing: {park_after: 1m, ack_mode: on_poll}}", fxiggy.Parking()),
		"consumers.billing.park_after: must be 0 with ack_mode on_poll: the messages are acknowledged before")
	require.ErrorContains(t, build("consumers: {billing: {park_after: 1m, group: "+strings.Repeat("g", 247)+"}}", fxiggy.Parking()),
		"fxiggy: consumer billing: parked.name: topic: name ")
}

// FetchBox's workers park tasks when the configuration says so.
func TestTasksAreParked(t *testing.T) {
	t.Parallel()
	srv := server(t)
	deliveries := make(chan int, 10)
	var pub *jobs.Publisher
	start(t, configured(yaml(srv)+"consumers: {tasks: {park_after: 20ms}}\n"), fx.Populate(&pub),
		fx.Invoke(func(c *consumer.Consumer[*jobspb.DownloadTask]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
				deliveries <- m.Deliveries()
				if m.Deliveries() == 1 {
					return consumer.RetryAfter(100*time.Millisecond, nil)
				}
				return nil
			})
		}))
	_, err := pub.PublishDownloadTask(t.Context(), task("a"))
	require.NoError(t, err)
	require.Equal(t, 1, receive(t, deliveries))
	require.Equal(t, 2, receive(t, deliveries))
	require.NotEmpty(t, srv.Messages("fetchbox", "jobs.tasks.workers.parked"))
}
