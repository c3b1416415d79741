package producertest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/producer/producertest"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type order struct{ ID, Customer string }

var orders = topic.New("shop", "orders", topic.JSON[order](),
	topic.Key(func(o order) string { return o.Customer }),
	topic.WithSettings[order](topic.Settings{Partitions: 4}))

// publisher is what a service asks for.
type publisher interface {
	Publish(ctx context.Context, o order, opts ...producer.PublishOption) (producer.Result, error)
	PublishAll(ctx context.Context, all []order, opts ...producer.PublishOption) error
	PublishAsync(ctx context.Context, o order, done func(producer.Result), opts ...producer.PublishOption)
}

var _, _ publisher = (*producer.Publisher[order])(nil), (*producertest.Publisher[order])(nil)

// realPublisher publishes to a server.
func realPublisher(t *testing.T) (*producer.Publisher[order], *iggytest.Server) {
	t.Helper()
	srv := iggytest.NewServer(t)
	srv.CreateTopic("shop", "orders", 4)
	cfg := config.Default()
	cfg.Iggy.Endpoint = srv.Endpoint()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, p.Stop(context.Background())) })
	return producer.For(p, orders), srv
}

func TestDoublePublishesLikeTheRealOne(t *testing.T) {
	t.Parallel()
	pub, srv := realPublisher(t)
	double := producertest.For(orders)
	tenant := producer.WithHeaders(topic.Header{Key: "tenant", Value: "a"}, topic.Header{Key: "Content-Type", Value: "text/json"})
	publish := func(p publisher) (results []producer.Result) {
		for _, opts := range [][]producer.PublishOption{
			{producer.WithID([16]byte{1})},
			{producer.WithID([16]byte{2}), producer.WithKey("other"), tenant},
			{producer.WithID([16]byte{3}), producer.WithPartition(3)},
		} {
			r, err := p.Publish(t.Context(), order{"7", "acme"}, opts...)
			require.NoError(t, err)
			results = append(results, r)
		}
		require.NoError(t, p.PublishAll(t.Context(), []order{{"8", "a"}, {"9", "b"}}, tenant))
		done := make(chan producer.Result, 1)
		p.PublishAsync(t.Context(), order{"10", "c"}, func(r producer.Result) { done <- r }, producer.WithID([16]byte{4}))
		return append(results, <-done)
	}
	got := publish(double)
	require.Len(t, got, 4)
	require.Equal(t, publish(pub), got)

	stored := map[string]iggytest.Message{}
	for _, m := range srv.WaitMessages("shop", "orders", 6) {
		stored[string(m.Payload)+m.Header("tenant")+fmt.Sprint(m.Partition)] = m
	}
	all := double.Published()
	require.Len(t, all, 6)
	require.Equal(t, []order{{"7", "acme"}, {"7", "acme"}, {"7", "acme"}, {"8", "a"}, {"9", "b"}, {"10", "c"}}, double.Values())
	for _, m := range all {
		id, ok := m.Partition.ID()
		require.True(t, ok)
		want, ok := stored[string(m.Payload)+headerOf(m, "tenant")+fmt.Sprint(id)]
		require.True(t, ok, "%s in partition %d", m.Payload, id)
		require.Equal(t, want.Headers, m.Headers)
		require.NotZero(t, m.ID)
	}
	require.Equal(t, "other", all[1].Key)
	require.Equal(t, "c", all[5].Key)
}

func headerOf(m producertest.Published[order], key string) string {
	for _, h := range m.Headers {
		if h.Key == key {
			return h.Value
		}
	}
	return ""
}

func TestDoubleFailsLikeTheRealOne(t *testing.T) {
	t.Parallel()
	pub, _ := realPublisher(t)
	double := producertest.For(orders)
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	for name, tt := range map[string]struct {
		ctx  context.Context
		o    order
		opts []producer.PublishOption
		want string
	}{
		"key":     {t.Context(), order{"7", strings.Repeat("k", 256)}, nil, "key of 256 bytes"},
		"header":  {t.Context(), order{}, []producer.PublishOption{producer.WithHeaders(topic.Header{Key: "a"})}, "empty value"},
		"size":    {t.Context(), order{ID: strings.Repeat("x", iggyerr.MaxPayloadBytes)}, nil, "payload of"},
		"option":  {t.Context(), order{}, []producer.PublishOption{nil}, "option 1 of 1 is nil"},
		"context": {ended, order{}, nil, "enough"},
		"none":    {nil, order{}, nil, "nil context"},
	} {
		for which, p := range map[string]publisher{"real": pub, "double": double} {
			t.Run(name+" "+which, func(t *testing.T) {
				t.Parallel()
				r, err := p.Publish(tt.ctx, tt.o, tt.opts...)
				require.ErrorContains(t, err, tt.want)
				var failure *producer.SendError
				require.ErrorAs(t, err, &failure)
				require.Equal(t, "shop/orders -1", fmt.Sprintf("%s/%s %d", failure.Stream, failure.Topic, failure.Partition))
				require.Equal(t, producer.Failed, r.Outcome)
				require.Equal(t, err, r.Err)
			})
		}
	}
	require.Empty(t, double.Published())
}

func TestFail(t *testing.T) {
	t.Parallel()
	double := producertest.For(orders)
	double.Fail(iggyerr.ErrBufferFull)
	r, err := double.Publish(t.Context(), order{"7", "acme"})
	require.ErrorIs(t, err, iggyerr.ErrBufferFull)
	require.Equal(t, producer.Failed, r.Outcome)
	require.NotZero(t, r.ID)

	double.Fail(&producer.SendError{Outcome: producer.Unknown, Err: iggyerr.ErrDeliveryTimeout})
	err = double.PublishAll(t.Context(), []order{{"8", "a"}, {"9", "b"}})
	var failure *producer.SendAllError
	require.ErrorAs(t, err, &failure)
	require.Len(t, failure.Results, 2)
	require.Equal(t, producer.Unknown, failure.Results[1].Outcome)
	require.ErrorIs(t, err, iggyerr.ErrDeliveryTimeout)
	double.PublishAsync(t.Context(), order{}, func(got producer.Result) { r = got })
	require.Equal(t, producer.Unknown, r.Outcome)
	double.PublishAsync(t.Context(), order{}, nil)
	require.Empty(t, double.Values())

	double.Fail(nil)
	require.NoError(t, double.PublishAll(t.Context(), []order{{"8", "a"}}))
	require.Equal(t, []order{{"8", "a"}}, double.Values())
}

// placeOrder is code of a service: it publishes an order and says where it is stored.
func placeOrder(ctx context.Context, p publisher, o order) (string, error) {
	stored, err := p.Publish(ctx, o, producer.WithHeaders(topic.Header{Key: "tenant", Value: "acme"}))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("order %s is in partition %d", o.ID, stored.Partition), nil
}

// A test of what publishes needs no producer and no server.
func ExamplePublisher() {
	pub := producertest.For(orders)
	fmt.Println(placeOrder(context.Background(), pub, order{ID: "7", Customer: "ada"}))
	fmt.Println(pub.Values(), string(pub.Published()[0].Payload))

	pub.Fail(iggyerr.ErrNotConnected)
	_, err := placeOrder(context.Background(), pub, order{ID: "8"})
	fmt.Println(producer.OutcomeOf(err), errors.Is(err, iggyerr.ErrNotConnected))
	// Output:
	// order 7 is in partition 2 <nil>
	// [{7 ada}] {"ID":"7","Customer":"ada"}
	// failed true
}
