package consumer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
)

func TestStartFromEndLosesNothingBetweenOwners(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.send(0, "a/old")
	cfg := fastConfig()
	cfg.StartFrom = config.StartEnd
	first := e.worker(cfg, newHandlerLog(), 0)
	e.server.WaitCommitted("s", "t", "g", 0, 0)
	stop(t, first)
	e.send(0, "a/between")
	log := newHandlerLog()
	e.worker(cfg, log, 0)
	log.wait(t, 1)
	require.Contains(t, log.times, "a/between")
}

// A time between what the server has saved and what it has not: a server with default settings saves
// 1,024 messages at once.
func TestStartAtATimeBehindTheSavedMessages(t *testing.T) {
	t.Parallel()
	overServers(t, 1, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		e.send(0, numbered("saved", 1024)...)
		between := time.Now()
		for time.Since(between) < time.Millisecond {
			time.Sleep(time.Millisecond) // the server's clock must move on
		}
		between = time.Now()
		e.send(0, "a/new")
		c := e.consumer(cfg, consumer.WithStandalone(consumer.Standalone{Start: consumer.Time(between)}))
		start(t, c)
		require.Equal(t, "a/new", next(t, c))
		none(t, c)
		require.NoError(t, c.Check(t.Context()))
		stop(t, c)
	})
}

func TestStandaloneStartsAtItsPosition(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	e.send(1, "a/0", "a/1")
	between := time.Now()
	for time.Since(between) < time.Millisecond {
		time.Sleep(time.Millisecond) // the server's clock must move on
	}
	between = time.Now()
	e.send(1, "a/2", "a/3")
	for name, tt := range map[string]struct {
		start consumer.Position
		want  []string
	}{
		"first":          {consumer.First(), []string{"a/0", "a/1", "a/2", "a/3"}},
		"last":           {consumer.Last(), []string{"a/3"}},
		"end":            {consumer.End(), nil},
		"offset":         {consumer.Offset(2), []string{"a/2", "a/3"}},
		"offset too far": {consumer.Offset(99), nil},
		"time":           {consumer.Time(between), []string{"a/2", "a/3"}},
		"stored":         {consumer.Stored(), []string{"a/0", "a/1", "a/2", "a/3"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := e.consumer(fastConfig(), consumer.WithStandalone(consumer.Standalone{Partitions: []uint32{1}, Start: tt.start}))
			start(t, c)
			for _, want := range tt.want {
				require.Equal(t, want, next(t, c))
			}
			none(t, c)
			stop(t, c)
		})
	}
}
