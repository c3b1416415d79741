package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

type Order struct {
	Number   string `json:"number"`
	Customer string `json:"customer"`
}

var Orders = topic.New("shop", "orders", topic.JSON[Order](), topic.Key(func(o Order) string { return o.Customer }))

// exampleServer is a server with the topics of billing, and a producer.
func exampleServer(ctx context.Context, cfg config.Consumer) (cluster config.Iggy, p *producer.Producer, stop func()) {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	cluster = config.Default().Iggy
	cluster.Endpoint = server.Endpoint()
	cluster.ClientID, cluster.ClientSecret = embedded.DefaultUsername, config.NewSecret(embedded.DefaultPassword)
	a, err := admin.New(cluster)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	letters := admin.Of(deadletter.TopicOf(Orders, cfg), "replay", "replay.balance")
	if _, err := a.Provision(ctx, admin.Spec{admin.Of(Orders, cfg.Groups()...), letters}); err != nil {
		log.Fatal(err)
	}
	if p, err = producer.New(cluster, config.Default().Producer); err != nil {
		log.Fatal(err)
	}
	if err := p.Start(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := producer.For(p, Orders).Publish(ctx, Order{Number: "7", Customer: "acme"}); err != nil {
		log.Fatal(err)
	}
	return cluster, p, func() {
		_ = p.Stop(ctx)
		_ = server.Stop(ctx)
	}
}

// Messages that a consumer gives up are stored in shop/orders.billing.dlq, where another consumer finds
// them and publishes them again.
func Example() {
	ctx := context.Background()
	cfg := config.DefaultConsumer("billing")
	cluster, p, stop := exampleServer(ctx, cfg)
	defer stop()

	// A consumer with dead letters.
	letters := deadletter.TopicOf(Orders, cfg)
	orders, err := consumer.New(cluster, cfg, Orders)
	if err != nil {
		log.Fatal(err)
	}
	if err := orders.SetDeadLetters(deadletter.New[Order](p, letters)); err != nil {
		log.Fatal(err)
	}
	paid := make(chan string)
	err = orders.Handle(func(_ context.Context, m *consumer.Message[Order]) error {
		if m.Header(topic.HeaderReplayOf) == "" {
			return consumer.Permanent(errors.New("no such account"))
		}
		paid <- m.Value.Number
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := orders.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer func() { _ = orders.Stop(ctx) }()

	// A consumer of the dead letters, as a group: the committed offset says which ones are replayed.
	replay, err := consumer.New(cluster, config.DefaultConsumer("replay"), letters)
	if err != nil {
		log.Fatal(err)
	}
	err = replay.Handle(func(ctx context.Context, m *consumer.Message[deadletter.Letter]) error {
		fmt.Println(m.Value.Origin.Topic, m.Value.Cause)
		return deadletter.Replay(ctx, p, m.Value, 0)
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := replay.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer func() { _ = replay.Stop(ctx) }()
	fmt.Println(<-paid)
	// Output:
	// orders no such account
	// 7
}
