package docs_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Order is what a customer buys.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
}

// Orders is a topic: its stream and name, codec and key. Messages of one key keep their order.
var Orders = topic.New("shop", "orders", topic.JSON[Order](),
	topic.Key(func(o Order) string { return o.Customer }))

func publish(ctx context.Context, cfg config.Config) error {
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = p.Stop(ctx) }()
	_, err = producer.For(p, Orders).Publish(ctx, Order{ID: "1", Customer: "acme"})
	return err // nil: the server has confirmed the order
}

func bill(ctx context.Context, cfg config.Config) (*consumer.Consumer[Order], error) {
	billing, err := consumer.New(cfg.Iggy, config.DefaultConsumer("billing"), Orders)
	if err != nil {
		return nil, err
	}
	err = billing.Handle(func(_ context.Context, m *consumer.Message[Order]) error {
		fmt.Println("billed order", m.Value.ID)
		return nil // acknowledges the message; after an error it is redelivered
	})
	if err != nil {
		return nil, err
	}
	err = billing.Start(ctx)
	return billing, err
}

// The producer and the consumer of the README work.
func TestReadme(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	cfg, err := config.Load(config.WithYAML("test.yaml", srv.YAML()), config.WithEnviron(nil))
	require.NoError(t, err)
	spec := admin.Spec{admin.Of(Orders, config.DefaultConsumer("billing").Groups()...)}
	_, err = admin.Provision(t.Context(), cfg.Iggy, spec)
	require.NoError(t, err)
	require.NoError(t, publish(t.Context(), cfg))
	billing, err := bill(t.Context(), cfg)
	require.NoError(t, err)
	srv.WaitCommitted("shop", "orders", "billing", 0, 0)
	require.NoError(t, billing.Stop(t.Context()))
}
