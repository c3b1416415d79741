package topic_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

type order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
}

func ExampleNew() {
	orders := topic.New("shop", "orders", topic.JSON[order](),
		topic.Key(func(o order) string { return o.Customer }),
		topic.WithSettings[order](topic.Settings{Partitions: 4, Retention: 7 * 24 * time.Hour}))
	payload, _ := orders.Codec().Append(nil, order{ID: "7", Customer: "ada"})
	fmt.Println(orders, orders.KeyOf(order{Customer: "ada"}), string(payload))
	// Output: shop/orders ada {"id":"7","customer":"ada"}
}

func TestNewPanicsForInvalidArguments(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for name, call := range map[string]func(){
		"no stream":        func() { topic.New("", "t", topic.Bytes()) },
		"no name":          func() { topic.New("s", "", topic.Bytes()) },
		"long stream":      func() { topic.New(long, "t", topic.Bytes()) },
		"long name":        func() { topic.New("s", long, topic.Bytes()) },
		"no codec":         func() { topic.New[[]byte]("s", "t", nil) },
		"At a long name":   func() { topic.New("s", "t", topic.Bytes()).At("", long) },
		"proto of a value": func() { topic.Proto[proto.Message]() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Panics(t, call)
		})
	}
}

func TestAtAndWithReturnCopies(t *testing.T) {
	t.Parallel()
	original := topic.New("s", "t", topic.Bytes())
	moved := original.At("other", "").With(topic.WithSettings[[]byte](topic.Settings{Partitions: 3}))
	require.Equal(t, "other/t", moved.String())
	require.EqualValues(t, 3, moved.Settings().Partitions)
	require.Equal(t, "s/t", original.String())
	require.Zero(t, original.Settings())
	require.Empty(t, original.KeyOf([]byte("x")), "no key function")

	keyed := original.With(topic.Key(func(b []byte) string { return string(b) }))
	require.Equal(t, "x", keyed.KeyOf([]byte("x")))
	require.Empty(t, keyed.With(topic.Key[[]byte](nil)).KeyOf([]byte("x")))
}

func TestNilOptionIsNamed(t *testing.T) {
	t.Parallel()
	require.PanicsWithError(t, "topic: s/t: option 1 of 1 is nil", func() { topic.New("s", "t", topic.Bytes(), nil) })
}
