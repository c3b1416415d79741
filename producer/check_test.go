package producer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestCheckMakesRequests(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.Connections = 2 }, func(t *testing.T, s *server, p *producer.Producer) {
		require.NoError(t, p.Check(t.Context()), "also before a topic is known")
		require.Equal(t, 2, s.count(&s.reads), "over each connection")
		s.cut()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.Check(ctx), iggyerr.ErrNotConnected)
		require.Len(t, p.Status().Connections, 2)
		require.Equal(t, "connecting", p.Status().Connections[0].State)
		require.Error(t, p.Status().Connections[0].LastError)
	})
}
