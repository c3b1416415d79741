package producer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// ownBytes returns its own memory where other codecs append to dst.
type ownBytes struct{ topic.Codec[[]byte] }

func (ownBytes) Append(_, v []byte) ([]byte, error) { return v, nil }

// The producer does not write into memory that a codec returns.
func TestMemoryOfCodecIsNotChanged(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		own := producer.For(p, topic.New[[]byte]("s", "t", ownBytes{topic.Bytes()}))
		other := producer.For(p, topic.New("s", "t", topic.Bytes()))
		kept := [][]byte{[]byte("first one"), []byte("second one")}
		for range 10 { // whatever the pool makes of it
			require.NoError(t, errOf(own.Publish(t.Context(), kept[0], producer.WithKey("k"))))
			require.NoError(t, errOf(other.Publish(t.Context(), []byte("other"), producer.WithKey("k"))))
			require.NoError(t, own.PublishAll(t.Context(), kept, producer.WithKey("k")))
			require.NoError(t, other.PublishAll(t.Context(), [][]byte{[]byte("a"), []byte("b")}, producer.WithKey("k")))
		}
		require.Equal(t, [][]byte{[]byte("first one"), []byte("second one")}, kept)
		require.Equal(t, []string{"first one", "other", "first one", "second one", "a", "b"}, s.payloads("t", wire.PartitionOf("k", 4))[54:])
	})
}
