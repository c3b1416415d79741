package producer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestFlush(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.Flush(t.Context()), "of nothing")
		s.set(func() { s.delay = time.Second })
		returned := 0
		for range 3 {
			p.SendAsync(t.Context(), message("k", "x"), func(producer.Result) { returned++ })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, p.Flush(ctx), context.DeadlineExceeded)
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, 3, returned, "callbacks have returned")
	})
}
