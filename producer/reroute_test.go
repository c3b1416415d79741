package producer_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestPartitionsAreDeleted(t *testing.T) {
	t.Parallel()
	change := func(c *config.Producer) { c.MaxBatchMessages = 2 }
	run(t, change, func(t *testing.T, s *server, p *producer.Producer) {
		key := keyMovingBetween(4, 3, 2, 1)
		require.NoError(t, errOf(p.Send(t.Context(), message(key, "x")))) // it knows the topic
		s.fail(first(cutUnstored))
		got := make(outcomes, 10)
		for i := range 7 {
			p.SendAsync(t.Context(), message(key, fmt.Sprint(i)), func(r producer.Result) { got <- r })
		}
		explicit := message("", "explicit")
		explicit.Partition = producer.OnPartition(3)
		lost := make(outcomes, 1)
		p.SendAsync(t.Context(), explicit, func(r producer.Result) { lost <- r })
		s.partitions("t", 2)
		require.NoError(t, p.Flush(t.Context()))
		for _, r := range got.wait(t, 7) {
			require.Equal(t, producer.Confirmed, r.Outcome)
			require.EqualValues(t, 1, r.Partition)
		}
		require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6"}, s.payloads("t", 1))
		r := lost.wait(t, 1)[0]
		require.Equal(t, producer.Failed, r.Outcome)
		require.ErrorIs(t, r.Err, iggyerr.ErrNotFound)
		require.ErrorContains(t, r.Err, "s/t/3")
		require.Zero(t, p.Status().BufferedBytes)
		require.Zero(t, p.Status().BufferedMessages)
		require.NoError(t, errOf(p.Send(t.Context(), message(key, "7"))))
		require.NoError(t, errOf(p.Send(t.Context(), message("", "any"))))

		s.partitions("t", 4)
		explicit.Payload = []byte("again")
		require.NoError(t, errOf(p.Send(t.Context(), explicit)), "a partition may come back")
		require.NoError(t, errOf(p.Send(t.Context(), message(key, "8"))))
		require.Equal(t, []string{"again", "8"}, s.payloads("t", 3))
	})
}
