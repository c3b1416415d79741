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
	"github.com/fetchbox/fetchbox-iggy/topic"
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

// Without its topic a publisher can't work, until someone creates it.
func TestCheckNamesMissingTopicOfPublisher(t *testing.T) {
	t.Parallel()
	run(t, func(c *config.Producer) { c.MetadataInterval = time.Second }, func(t *testing.T, s *server, p *producer.Producer) {
		pub := producer.For(p, topic.New("s", "t", topic.JSON[int]()))
		require.NoError(t, errOf(pub.Publish(t.Context(), 1)))
		require.NoError(t, p.Check(t.Context()))
		s.partitions("t", 0)
		time.Sleep(2 * time.Second) // nothing is sent
		err := p.Check(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrNotFound)
		require.ErrorContains(t, err, "s/t")
		s.partitions("t", 1)
		require.NoError(t, p.Check(t.Context()))
		other := message("k", "x")
		other.Topic = "unknown"
		require.ErrorIs(t, errOf(p.Send(t.Context(), other)), iggyerr.ErrNotFound)
		require.NoError(t, p.Check(t.Context()), "any name may be sent to")
	})
}
