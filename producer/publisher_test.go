package producer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

var words = topic.New("s", "t", topic.Proto[*wrapperspb.StringValue](), topic.Key(func(v *wrapperspb.StringValue) string { return v.GetValue()[:1] }))

func TestPublisher(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		pub := producer.For(p, words)
		require.NoError(t, errOf(pub.Publish(t.Context(), wrapperspb.String("apple"))))
		got := s.stored("t", wire.PartitionOf("a", 4))
		require.Len(t, got, 1)
		require.Equal(t, map[string]string{
			topic.HeaderContentType: "application/x-protobuf",
			topic.HeaderMessageType: "google.protobuf.StringValue",
		}, got[0].headers)
		v, err := words.Codec().Decode([]byte(got[0].payload), topic.Headers{})
		require.NoError(t, err)
		require.Equal(t, "apple", v.GetValue())

		id := [16]byte{7}
		require.NoError(t, errOf(pub.Publish(t.Context(), wrapperspb.String("apple"),
			producer.WithPartition(3), producer.WithID(id), producer.WithHeaders(topic.Header{Key: "x", Value: "1"}))))
		last := s.log("t")[1]
		require.Equal(t, id, last.id)
		require.Equal(t, "1", last.headers["x"])
		require.Equal(t, "application/x-protobuf", last.headers[topic.HeaderContentType])
		require.Contains(t, s.payloads("t", 3), last.payload)

		key := keyMovingBetween(4, 1, 2, 1)
		before := len(s.stored("t", 1))
		require.NoError(t, pub.PublishAll(t.Context(), []*wrapperspb.StringValue{wrapperspb.String("a1"), wrapperspb.String("a2")}, producer.WithKey(key)))
		require.Len(t, s.stored("t", 1), before+2)

		results := make(outcomes, 1)
		pub.PublishAsync(t.Context(), wrapperspb.String("async"), func(r producer.Result) { results <- r })
		require.Equal(t, producer.Confirmed, results.wait(t, 1)[0].Outcome)
	})
}

func TestPublisherRefusesWhatItCannotEncode(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		pub := producer.For(p, topic.New("s", "t", topic.JSON[func()]()))
		_, err := pub.Publish(t.Context(), func() {})
		var failure *producer.SendError
		require.ErrorAs(t, err, &failure)
		require.Equal(t, producer.Failed, failure.Outcome)
		require.ErrorContains(t, err, "s/t")
		require.ErrorContains(t, err, "unsupported type")
		require.ErrorContains(t, pub.PublishAll(t.Context(), []func(){func() {}}), "of 1 messages 1 failed")
		results := make(outcomes, 1)
		pub.PublishAsync(t.Context(), func() {}, func(r producer.Result) { results <- r })
		require.Equal(t, producer.Failed, results.wait(t, 1)[0].Outcome)
		require.Zero(t, s.count(&s.requests))
	})
}

// A panic in the middle of a PublishAll leaves no accepted message in a partition whose sender is
// not woken.
func TestPanicInKeyFunctionOfPublishAll(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		pub := producer.For(p, topic.New("s", "t", topic.Bytes(), topic.Key(func(b []byte) string { return string(b[:1]) })))
		require.Panics(t, func() { _ = pub.PublishAll(t.Context(), [][]byte{[]byte("k1"), []byte("k2"), nil}) })
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, []string{"k1", "k2"}, s.payloads("t", wire.PartitionOf("k", 4)))
	})
}

// Calls share the memory of their options.
func TestOptionsAreThoseOfOneCall(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		pub := producer.For(p, words)
		apple := wrapperspb.String("apple")
		options := map[string]producer.PublishOption{
			"key": producer.WithKey("k"), "partition": producer.WithPartition(3), "id": producer.WithID([16]byte{7}),
			"header": producer.WithHeaders(topic.Header{Key: "x", Value: "1"}),
		}
		for range 10 { // whatever the pool makes of it
			for set, option := range options {
				require.NoError(t, errOf(pub.Publish(t.Context(), apple, option)))
				sent, err := pub.Publish(t.Context(), apple, producer.WithHeaders(topic.Header{Key: "y", Value: "2"}))
				require.NoError(t, err, set)
				log := s.log("t")
				last := log[len(log)-1]
				require.Equal(t, wire.PartitionOf("a", 4), sent.Partition, set)
				require.NotEqual(t, [16]byte{7}, last.id, set)
				require.Len(t, last.headers, 3, set)
				require.Equal(t, "2", last.headers["y"], set)
			}
		}
		require.ErrorContains(t, pub.PublishAll(t.Context(), []*wrapperspb.StringValue{nil, apple}, options["partition"]), "of 2 messages 1 failed")
		require.NoError(t, pub.PublishAll(t.Context(), []*wrapperspb.StringValue{apple, apple}, options["header"]))
		log := s.log("t")
		require.Len(t, log[len(log)-1].headers, 3)
	})
}

func TestPublisherStoresKeys(t *testing.T) {
	t.Parallel()
	run(t, nil, func(t *testing.T, s *server, p *producer.Producer) {
		pub := producer.For(p, words.With(topic.StoreKey[*wrapperspb.StringValue]()))
		apple := wrapperspb.String("apple")
		publish := func(opts ...producer.PublishOption) {
			require.NoError(t, errOf(pub.Publish(t.Context(), apple, opts...)))
		}
		keyOfLast := func() string {
			log := s.log("t")
			return log[len(log)-1].headers[topic.HeaderPartitionKey]
		}
		publish()
		require.Equal(t, "a", keyOfLast())
		require.Equal(t, "application/x-protobuf", s.log("t")[0].headers[topic.HeaderContentType])
		publish(producer.WithKey("by hand"), producer.WithHeaders(topic.Header{Key: "x", Value: "1"}))
		require.Equal(t, "by hand", keyOfLast())
		require.Len(t, s.stored("t", wire.PartitionOf("by hand", 4)), 1)
		require.NoError(t, pub.PublishAll(t.Context(), []*wrapperspb.StringValue{apple, wrapperspb.String("bean")}))
		beans := s.stored("t", wire.PartitionOf("b", 4))
		require.Equal(t, "b", beans[len(beans)-1].headers[topic.HeaderPartitionKey])
		publish(producer.WithPartition(1))
		require.Empty(t, keyOfLast(), "no key has chosen the partition")
		publish(producer.WithKey(""))
		require.Empty(t, keyOfLast())
		publish(producer.WithHeaders(topic.Header{Key: "Partition-Key", Value: "own"}))
		require.Empty(t, keyOfLast(), "the application's header stands for it")
		require.ErrorIs(t, errOf(pub.Publish(t.Context(), apple, producer.WithKey(strings.Repeat("k", 256)))), iggyerr.ErrTooLarge)
	})
}
