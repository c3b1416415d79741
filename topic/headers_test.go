package topic_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	encoded := wire.AppendHeader(wire.AppendHeader(wire.AppendHeader(nil, "a", "1"), "B", "2"), "b", "3")
	for name, h := range map[string]topic.Headers{
		"encoded":                     topic.EncodedHeaders(encoded),
		"before one that's malformed": topic.EncodedHeaders(append(slices.Clip(encoded), 1, 2, 3)),
		"decoded":                     topic.HeadersOf(topic.Header{Key: "a", Value: "1"}, topic.Header{Key: "B", Value: "2"}, topic.Header{Key: "b", Value: "3"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, []string{"a=1", "B=2", "b=3"}, all(h))
			require.Equal(t, "1", h.Get("A"))
			require.Equal(t, "2", h.Get("b"), "the first one")
			require.Empty(t, h.Get("c"))
		})
	}
	require.Empty(t, all(topic.Headers{}))
	require.Empty(t, topic.Headers{}.Get("a"))
}
