package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// next waits for the next message, acknowledges it and gives its text.
func next(t testing.TB, c *consumer.Consumer[string]) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := c.Next(ctx)
	require.NoError(t, err)
	m.Ack()
	return m.Value
}

// none expects that there is no further message for a while.
func none(t testing.TB, c *consumer.Consumer[string]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	m, err := c.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "%v", m)
}

func TestStandaloneStartsWhereItIsTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.send(1, "a/0", "a/1")
	between := time.Now()
	for time.Since(between) < time.Millisecond {
		time.Sleep(time.Millisecond) // the server's clock must move on
	}
	between = time.Now()
	r.send(1, "a/2", "a/3")
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
			c := r.consumer(quick(), consumer.WithStandalone(consumer.Standalone{Partitions: []uint32{1}, Start: tt.start}))
			start(t, c)
			for _, want := range tt.want {
				require.Equal(t, want, next(t, c))
			}
			none(t, c)
			stop(t, c)
		})
	}
}

func TestTailGoesOnAfterAReconnection(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]consumer.Position{"end": consumer.End(), "offset": consumer.Offset(1)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.send(0, "a/old")
			c := r.consumer(quick(), consumer.WithStandalone(consumer.Standalone{Start: start}))
			require.NoError(t, c.Start(context.Background()))
			none(t, c)
			for _, text := range []string{"a/new", "a/newer"} {
				r.server.CutConnections()
				r.conn = r.connect()
				r.send(0, text)
				require.Equal(t, text, next(t, c))
				none(t, c)
			}
		})
	}
}

func TestNamedStandaloneStoresItsOffset(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.send(0, "a/0", "a/1", "a/2")
	named := consumer.WithStandalone(consumer.Standalone{Name: "ledger"})
	c := r.consumer(quick(), named)
	start(t, c)
	require.Equal(t, "a/0", next(t, c))
	require.Equal(t, "a/1", next(t, c))
	stop(t, c)
	offset, ok, err := r.server.Embedded().StoredConsumerOffset("s", "t", "ledger", 0)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 1, offset)
	require.Zero(t, r.server.Members("s", "t", "g"))

	again := r.consumer(quick(), named)
	start(t, again)
	require.Equal(t, "a/2", next(t, again))
}

func TestSeekPauseResume(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.send(0, "a/0", "a/1", "a/2", "a/3")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := r.consumer(quick(), consumer.WithStandalone(consumer.Standalone{Name: "n"}))
	require.ErrorIs(t, c.Seek(ctx, 0, consumer.First()), iggyerr.ErrNotOwner)
	start(t, c)
	for _, want := range []string{"a/0", "a/1", "a/2", "a/3"} {
		require.Equal(t, want, next(t, c))
	}
	require.NoError(t, c.Seek(ctx, 0, consumer.Offset(2)))
	require.Equal(t, "a/2", next(t, c))
	m, err := c.Next(ctx)
	require.NoError(t, err)
	require.NoError(t, c.Seek(ctx, 0, consumer.First()))
	m.Ack() // late: without effect
	require.Equal(t, "a/0", next(t, c))
	require.NoError(t, c.Seek(ctx, 0, consumer.End()))
	none(t, c)
	require.ErrorIs(t, c.Seek(ctx, 7, consumer.First()), iggyerr.ErrNotOwner)

	c.Pause(0)
	r.send(0, "a/4")
	r.send(1, "b/0")
	require.Equal(t, "b/0", next(t, c))
	none(t, c)
	require.True(t, c.Status().Partitions[0].Paused)
	c.Resume(0)
	require.Equal(t, "a/4", next(t, c))
}
