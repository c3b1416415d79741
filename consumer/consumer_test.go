package consumer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

func TestHandlesEveryMessageOnceAndStopsCleanly(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	var want []string
	for p := range uint32(4) {
		texts := numbered(string('a'+rune(p)), 50)
		want = append(want, texts...)
		r.send(p, texts...)
	}
	got := newSeen()
	handler := func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}
	first := r.consumer(quick())
	require.NoError(t, first.Handle(handler))
	start(t, first)
	require.ElementsMatch(t, want, got.wait(t, len(want)))
	stop(t, first)
	for p := range uint32(4) {
		offset, ok := r.server.Committed("s", "t", "g", p)
		require.True(t, ok)
		require.EqualValues(t, 49, offset)
	}
	require.Zero(t, r.server.Members("s", "t", "g"))

	second := r.consumer(quick())
	require.NoError(t, second.Handle(handler))
	start(t, second)
	r.send(0, "z/new")
	require.Equal(t, "z/new", got.wait(t, len(want)+1)[len(want)])
}
