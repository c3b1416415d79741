package transporttest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// A server that stops regularly tells each connection so between two requests. That is no foreign
// protocol: the unanswered request had no effect and is retryable on another connection.
func testServerDisconnects(t *testing.T, p *peerSuite) {
	t.Run("while idle", func(t *testing.T) {
		t.Parallel()
		c := p.dial(t, func(s *peer) { s.answer(uint32(iggyerr.StatusDisconnected), nil) })
		requireDone(t, c)
		require.NotErrorIs(t, c.Err(), iggyerr.ErrProtocol)
		requireDisconnected(t, c.Err())
		requireDisconnected(t, c.Ping(within(t)))
		before := c.Err().Error()
		_, err := c.Topic(within(t), "s", "t")
		requireDisconnected(t, err)
		require.Equal(t, before, c.Err().Error(), "the connection's error belongs to all calls: none may change it")
	})
	t.Run("in the place of an answer", func(t *testing.T) {
		t.Parallel()
		c := p.dial(t, func(s *peer) {
			if _, _, err := s.request(); err == nil {
				s.answer(uint32(iggyerr.StatusDisconnected), nil)
				s.drain()
			}
		})
		err := c.Ping(within(t))
		requireDisconnected(t, err)
		require.True(t, iggyerr.BreaksConnection(err))
		requireDone(t, c)
		requireDisconnected(t, c.Ping(within(t)))
	})
	t.Run("behind an answer", func(t *testing.T) {
		t.Parallel()
		c := p.dial(t, func(s *peer) {
			if _, _, err := s.request(); err == nil {
				_, _ = s.Write(append(answerOf(0, nil), answerOf(uint32(iggyerr.StatusDisconnected), nil)...))
			}
		})
		require.NoError(t, c.Ping(within(t)), "it was answered before")
		requireDone(t, c)
		requireDisconnected(t, c.Err())
	})
}

func requireDisconnected(t *testing.T, err error) {
	t.Helper()
	var status *iggyerr.StatusError
	require.ErrorAs(t, err, &status, "%v", err)
	require.Equal(t, iggyerr.StatusDisconnected, status.Status)
	require.True(t, iggyerr.IsRetryable(err), "%v", err)
	require.False(t, iggyerr.MayHaveEffect(err), "%v", err)
}
