package consumer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func TestNextBeginsTheConsumption(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.send(1, numbered("a", 3)...)
	c := r.consumer(quick())
	_, err := c.Next(context.Background())
	require.ErrorIs(t, err, iggyerr.ErrClosed, "not started")
	start(t, c)
	require.False(t, c.Status().Consuming)
	require.NoError(t, c.Check(context.Background()))
	require.Zero(t, r.server.Members("s", "t", "g"))

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i := range 3 {
		m, err := c.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("a/%d", i), m.Value)
		require.EqualValues(t, 1, m.Partition())
		require.EqualValues(t, i, m.Offset())
		require.Equal(t, "a", m.Key())
		require.WithinDuration(t, time.Now(), m.Timestamp(), time.Minute)
		if i == 1 && m.Deliveries() == 1 {
			m.Nack(nil)
			again, err := c.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, 2, again.Deliveries())
			require.Equal(t, m.Value, again.Value, "a key does not go on before its message is settled")
			m = again
		}
		m.Ack()
	}
	require.Equal(t, 1, r.server.Members("s", "t", "g"))
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = c.Next(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	stop(t, c)
	offset, _ := r.server.Committed("s", "t", "g", 1)
	require.EqualValues(t, 2, offset)
	_, err = c.Next(ctx)
	require.ErrorIs(t, err, iggyerr.ErrClosed)
}

func TestMessagesEndWithStopAndContext(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, numbered("", 10)...)
	c := r.consumer(quick())
	start(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for m, err := range c.Messages(ctx) {
		require.NoError(t, err)
		if n++; n == 5 {
			m.Nack(consumer.Drop)
			cancel()
		}
	}
	require.Equal(t, 5, n, "the context ends the iteration")

	stopping := make(chan error, 1)
	for _, err := range c.Messages(context.Background()) {
		require.NoError(t, err)
		if n++; n == 10 {
			go func() { stopping <- c.Stop(context.Background()) }()
		}
	}
	require.NoError(t, <-stopping)
	offset, _ := r.server.Committed("s", "t", "g", 0)
	require.EqualValues(t, 9, offset)
}

func TestMessageThatTheLoopWasLeftWithComesAgain(t *testing.T) {
	t.Parallel()
	type body = func(*consumer.Message[string])
	for name, leave := range map[string]func(loop func(body), then body){
		"by break": func(loop func(body), then body) { loop(then) },
		"by a panic": func(loop func(body), then body) {
			require.PanicsWithValue(t, "no", func() {
				loop(func(m *consumer.Message[string]) {
					then(m)
					panic("no")
				})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.send(0, "a/0", "b/0", "a/1")
			cfg := quick()
			cfg.DrainTimeout, cfg.MaxInFlight, cfg.Retry.MaxDeliveries = time.Minute, 2, 2
			c := r.consumer(cfg)
			start(t, c)
			once := func(then body) {
				for m, err := range c.Messages(t.Context()) {
					require.NoError(t, err)
					then(m)
					break
				}
			}
			var old *consumer.Message[string]
			for i := range 5 { // more often than the message may fail
				leave(once, func(m *consumer.Message[string]) {
					require.Equal(t, "a/0", m.Value)
					require.Equal(t, i+1, m.Deliveries())
					m.Value = "changed"
					old = m
				})
			}
			old.Ack()
			m, err := c.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, "a/0", m.Value, "the old message has no effect")
			m.Nack(nil)
			got := map[string]bool{}
			for len(got) < 2 {
				once(func(m *consumer.Message[string]) {
					got[m.Value] = true
					m.Ack()
				})
			}
			require.Equal(t, map[string]bool{"b/0": true, "a/0": true}, got, "it had one failed delivery of two")
			leave(once, func(m *consumer.Message[string]) { require.Equal(t, "a/1", m.Value) })

			err = c.Stop(t.Context())
			var stop *consumer.StopError
			require.ErrorAs(t, err, &stop)
			require.Equal(t, 1, stop.Unfinished)
			require.Equal(t, 1, stop.Waiting)
			require.NotErrorIs(t, err, consumer.ErrStopDeadline, "nobody works on it")
			require.Equal(t, err, c.Stop(t.Context()), "a second stop tells the same")

			again := r.consumer(cfg)
			start(t, again)
			for m, err := range again.Messages(t.Context()) {
				require.NoError(t, err)
				require.Equal(t, "a/1", m.Value)
				require.Equal(t, 1, m.Deliveries())
				m.Ack()
				break
			}
		})
	}
}

func TestMessageThatAManualLoopWasLeftWithStays(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/0", "b/0")
	cfg := quick()
	cfg.AckMode = config.AckManual
	c := r.consumer(cfg)
	start(t, c)
	var kept *consumer.Message[string]
	for m, err := range c.Messages(t.Context()) {
		require.NoError(t, err)
		kept = m
		break
	}
	m, err := c.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, "b/0", m.Value)
	m.Ack()
	kept.Ack()
	stop(t, c)
	offset, _ := r.server.Committed("s", "t", "g", 0)
	require.EqualValues(t, 1, offset)
}

func TestOnPollMessagesNeedNoAcknowledgement(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, numbered("a", 100)...)
	cfg := quick()
	cfg.AckMode, cfg.MaxInFlight = config.AckOnPoll, 4
	c := r.consumer(cfg)
	start(t, c)
	for i := range 100 {
		m, err := c.Next(context.Background())
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("a/%d", i), m.Value)
	}
	stop(t, c)
}
