package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func TestNextStartsConsumption(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	e.send(1, numbered("a", 3)...)
	c := e.consumer(fastConfig())
	_, err := c.Next(context.Background())
	require.ErrorIs(t, err, iggyerr.ErrNotConnected)
	require.ErrorContains(t, err, "not started")
	var last error
	for _, err := range c.Messages(context.Background()) {
		last = err
	}
	require.ErrorContains(t, last, "not started", "an iteration that can't begin says so")
	start(t, c)
	require.False(t, c.Status().Consuming)
	require.NoError(t, c.Check(context.Background()))
	require.Zero(t, e.server.Members("s", "t", "g"))

	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
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
	require.Equal(t, 1, e.server.Members("s", "t", "g"))
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = c.Next(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	stop(t, c)
	offset, _ := e.server.Committed("s", "t", "g", 1)
	require.EqualValues(t, 2, offset)
	_, err = c.Next(ctx)
	require.ErrorIs(t, err, iggyerr.ErrClosed)
}

func TestMessagesEndWithStopAndContext(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, numbered("", 10)...)
	c := e.consumer(fastConfig())
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
	offset, _ := e.server.Committed("s", "t", "g", 0)
	require.EqualValues(t, 9, offset)
}

func TestBreakRedeliversTheCurrentMessage(t *testing.T) {
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
			e := newTestEnv(t, 1)
			e.send(0, "a/0", "b/0", "a/1")
			cfg := fastConfig()
			cfg.DrainTimeout, cfg.MaxInFlight, cfg.Retry.MaxDeliveries = time.Minute, 2, 2
			var log logLines
			c := e.consumer(cfg, consumer.WithLogger(log.logger()))
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

			require.NoError(t, c.Stop(t.Context()), "nobody works on it")
			log.requireWaiting(t, 1, 0)
			require.NoError(t, c.Stop(t.Context()), "a second stop tells the same")

			again := e.consumer(cfg)
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

func TestBreakWithManualAckKeepsTheMessage(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/0", "b/0")
	cfg := fastConfig()
	cfg.AckMode = config.AckManual
	c := e.consumer(cfg)
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
	offset, _ := e.server.Committed("s", "t", "g", 0)
	require.EqualValues(t, 1, offset)
}

func TestOnPollMessagesNeedNoAcknowledgement(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, numbered("a", 100)...)
	cfg := fastConfig()
	cfg.AckMode, cfg.MaxInFlight = config.AckOnPoll, 4
	c := e.consumer(cfg)
	start(t, c)
	for i := range 100 {
		m, err := c.Next(context.Background())
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("a/%d", i), m.Value)
	}
	stop(t, c)
}

func TestMisusedIteration(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, numbered("a", 20)...)
	cfg := fastConfig()
	cfg.AckMode = config.AckManual
	cfg.MaxInFlight = 1
	c := e.consumer(cfg)
	start(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	var all []string
	for len(all) < 20 {
		for m, err := range c.Messages(ctx) {
			require.NoError(t, err)
			m.Ack()
			m.Nack(errors.New("too late"))
			m.Ack()
			all = append(all, m.Value)
			break // left early, resumed later
		}
	}
	require.Equal(t, numbered("a", 20), all)
	short, done := context.WithTimeout(ctx, 20*time.Millisecond)
	defer done()
	_, err := c.Next(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ended, end := context.WithCancelCause(ctx)
	end(errors.New("enough"))
	e.send(0, "a/20")
	_, err = c.Next(ended)
	require.ErrorContains(t, err, "enough")
	m, err := c.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, "a/20", m.Value)
	require.NoError(t, m.AckSync(ctx))
	stop(t, c)
}

// Messages settles its messages itself, also lost ones.
func TestLoopContinuesAfterALoss(t *testing.T) {
	t.Parallel()
	overTransports(t, 1, func(t *testing.T, e *transportEnv) {
		e.send(0, numbered("", 10)...)
		cfg := fastConfig()
		cfg.MaxInFlight = 1
		c := e.member(cfg)
		start(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		var offsets []uint64
		for m, err := range c.Messages(ctx) {
			require.NoError(t, err)
			offsets = append(offsets, m.Offset())
			if len(offsets) == 3 {
				e.reconnected(c, []*consumer.Message[string]{m})
			}
			if m.Offset() == 9 {
				m.Ack()
				break
			}
		}
		require.Equal(t, []uint64{0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9}, offsets)
		stop(t, c)
	})
}
