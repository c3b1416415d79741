package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// A message that has to wait long is parked, and delivered again when it is due.
func ExampleWithParking() {
	cluster, stop := exampleServer("hello")
	defer stop()
	ctx := context.Background()

	cfg := config.DefaultConsumer("greeters")
	cfg.ParkAfter = 50 * time.Millisecond // usually a minute
	parked := admin.Of(consumer.ParkedTopic(greetings, cfg), cfg.Groups()...)
	if _, err := admin.Provision(ctx, cluster, admin.Spec{parked}); err != nil {
		log.Fatal(err)
	}
	p, err := producer.New(cluster, config.Default().Producer)
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer func() { _ = p.Stop(ctx) }()

	c, err := consumer.New(cluster, cfg, greetings, consumer.WithParking(p))
	if err != nil {
		log.Fatal(err)
	}
	heard := make(chan string, 2)
	err = c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		heard <- fmt.Sprintf("%s %s, delivery %d", m.Topic(), m.Value, m.Deliveries())
		if m.Deliveries() == 1 {
			return consumer.RetryAfter(200*time.Millisecond, errors.New("too many requests"))
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-heard)
	fmt.Println(<-heard)
	if err := c.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// greetings hello, delivery 1
	// greetings hello, delivery 2
}
