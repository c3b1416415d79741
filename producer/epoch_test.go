package producer_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// keyMovingBetween returns a key whose partition is from with n partitions, and to with m
// partitions.
func keyMovingBetween(n, from, m, to uint32) string {
	for i := 0; ; i++ {
		key := fmt.Sprint("key-", i)
		if wire.PartitionOf(key, n) == from && wire.PartitionOf(key, m) == to {
			return key
		}
	}
}

func TestPartitionsAreAdded(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		key := keyMovingBetween(4, 0, 8, 4)
		require.NoError(t, errOf(p.Send(t.Context(), message(key, "0"))))
		// Three requests are in flight or queued for the old partition when the count changes.
		s.fail(first(stallUnstored, failUnstored))
		p.SendAsync(t.Context(), message(key, "1"), nil)
		synctest.Wait()
		p.SendAsync(t.Context(), message(key, "2"), nil)
		s.partitions("t", 8)
		r := message("", "new")
		r.Partition = producer.OnPartition(7) // makes it read the metadata
		p.SendAsync(t.Context(), r, nil)
		p.SendAsync(t.Context(), message(key, "3"), nil)
		synctest.Wait()
		require.Empty(t, s.stored("t", 4), "newer messages of the key wait for older ones")
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, []string{"0", "1", "2"}, s.payloads("t", 0))
		require.Equal(t, []string{"3"}, s.payloads("t", 4))
		require.Equal(t, []string{"new"}, s.payloads("t", 7))
		older, newer := s.stored("t", 0), s.stored("t", 4)
		require.Less(t, older[2].order, newer[0].order)
	})
}
