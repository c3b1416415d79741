//go:build !race

// With the race detector, a sync.Pool drops items at random.

package producer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// A publisher adds no allocations, with options neither, unless the codec makes them or the caller
// makes the options for each message. It is not parallel: it counts the allocations of the process.
func TestPublishAsyncAllocatesNothing(t *testing.T) {
	s := newServer()
	s.partitions("t", 4)
	p := start(t, s, nil, producer.WithDialer(discard{s}))
	defer func() { _ = p.Stop(context.Background()) }()
	pub := producer.For(p, words.With(topic.StoreKey[*wrapperspb.StringValue]()))
	v, done := wrapperspb.String("apple"), func(producer.Result) {}
	for name, opts := range map[string][]producer.PublishOption{
		"no options": nil,
		"options": {
			producer.WithKey("k"),
			producer.WithHeaders(topic.Header{Key: "tenant", Value: "acme"}, topic.Header{Key: "content-type", Value: "text/plain"}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			send := func() {
				for range 1000 {
					pub.PublishAsync(ctx, v, done, opts...)
				}
				require.NoError(t, p.Flush(ctx))
			}
			send()
			require.Less(t, testing.AllocsPerRun(20, send)/1000, 0.5)
		})
	}
}
