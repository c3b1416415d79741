package consumer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEvictedMemberJoinsAgain(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	log := newHandlerLog()
	c := e.worker(fastConfig(), log, 0)
	e.send(0, "a/0")
	log.wait(t, 1)
	require.NoError(t, e.server.RemoveMembers("s", "t", "g"))
	e.send(0, "a/1")
	e.send(1, "b/0")
	log.wait(t, 3)
	require.NoError(t, e.server.Rebalance("s", "t", "g"))
	e.send(1, "b/1")
	log.wait(t, 4)
	stop(t, c)
	offset, _ := e.server.Committed("s", "t", "g", 0)
	require.EqualValues(t, 1, offset)
	require.Zero(t, log.doubled)
}
