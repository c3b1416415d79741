package producer_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// A slow codec in PublishAll delays neither the messages before it nor those of others in the same
// partition.
func TestSlowCodecDelaysNoOtherMessage(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		slow := topic.New("s", "t", topic.Bytes(), topic.Key(func([]byte) string {
			time.Sleep(time.Second)
			return "k"
		}))
		published := make(chan error, 1)
		go func() {
			published <- producer.For(p, slow).PublishAll(t.Context(), slices.Repeat([][]byte{[]byte("slow")}, 60))
		}()
		time.Sleep(10500 * time.Millisecond)
		began := time.Now()
		require.NoError(t, errOf(p.Send(t.Context(), message("k", "other"))))
		require.LessOrEqual(t, time.Since(began), time.Second)
		require.NoError(t, <-published)
		require.Len(t, s.payloads("t", wire.PartitionOf("k", 4)), 61)
	})
}
