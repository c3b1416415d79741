package producer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/producer"
)

// A message that is sent without waiting allocates nothing: what its batch needs is used again. It is
// not parallel: it counts the allocations of the process.
func TestSendAsyncAllocatesNothing(t *testing.T) {
	s := newServer()
	s.partitions("t", 4)
	p := start(t, s, nil, producer.WithDialer(discard{s}))
	defer func() { _ = p.Stop(context.Background()) }()
	m, done := message("k", "payload"), func(producer.Result) {}
	ctx := t.Context()
	send := func() {
		for range 1000 {
			p.SendAsync(ctx, m, done)
		}
		require.NoError(t, p.Flush(ctx))
	}
	send()
	require.Less(t, testing.AllocsPerRun(20, send)/1000, 0.5)
}
