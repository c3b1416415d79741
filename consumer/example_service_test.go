package consumer_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Order is a message of a shop.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
}

// Orders is the topic of these messages.
var Orders = topic.New("shop", "orders", topic.JSON[Order](),
	topic.Key(func(o Order) string { return o.Customer }),
	topic.WithSettings[Order](topic.Settings{Partitions: 4}))

// A service without Fx: its configuration, its topic and its consumer group in one call, a producer
// and a consumer.
func Example_service() {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	defer func() { _ = server.Stop(ctx) }()
	yaml := fmt.Sprintf(`
iggy: {endpoint: %q, client_id: iggy, client_secret: iggy}
consumers: {billing: {max_in_flight: 8}}
topics: {orders: {partitions: 2, retention: 7d}}
`, server.Endpoint())
	if err := serve(ctx, config.WithYAML("shop.yaml", []byte(yaml))); err != nil {
		log.Fatal(err)
	}
	// Output:
	// shop/orders has 2 partitions
	// billing 2026-17
}

func serve(ctx context.Context, file config.Option) error {
	cfg, err := config.Load(
		config.WithPrefix("SHOP"), file,
		config.WithConsumer("billing", config.DefaultConsumer("billing")),
		config.WithTopic(Orders.Section(), Orders.Defaults()),
	)
	if err != nil {
		return err
	}
	orders := Orders.Configured(cfg.Topics)
	billing, err := consumer.New(cfg.Iggy, cfg.Consumers["billing"], orders, consumer.WithName("billing"))
	if err != nil {
		return err
	}
	// The topic and the group are created when they are missing.
	if _, err := admin.Provision(ctx, cfg.Iggy, admin.Spec{admin.Of(orders, billing.Groups()...)}); err != nil {
		return err
	}
	fmt.Println(orders, "has", orders.Settings().Partitions, "partitions")

	p, err := producer.New(cfg.Iggy, cfg.Producer)
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = p.Stop(ctx) }()
	if _, err := producer.For(p, orders).Publish(ctx, Order{ID: "2026-17", Customer: "acme"}); err != nil {
		return err
	}

	if err := billing.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = billing.Stop(ctx) }()
	for m, err := range billing.Messages(ctx) {
		if err != nil {
			return err
		}
		fmt.Println("billing", m.Value.ID)
		m.Ack()
		break
	}
	return nil
}
