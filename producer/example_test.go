package producer_test

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// shop is a started producer on a server that has the topic shop/orders.
func shop(ctx context.Context, opts ...producer.Option) (p *producer.Producer, stop func()) {
	server, err := embedded.Start()
	if err != nil {
		panic(err)
	}
	cfg := config.Default()
	cfg.Iggy.Endpoint = server.Endpoint()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = embedded.DefaultUsername, config.NewSecret(embedded.DefaultPassword)
	a, err := admin.New(cfg.Iggy)
	if err != nil {
		panic(err)
	}
	defer func() { _ = a.Close() }()
	if _, err := a.Provision(ctx, admin.Spec{{Stream: "shop", Name: "orders", Settings: topic.Settings{Partitions: 4}}}); err != nil {
		panic(err)
	}
	p, err = producer.New(cfg.Iggy, cfg.Producer, opts...)
	if err != nil {
		panic(err)
	}
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	return p, func() {
		if err := p.Stop(ctx); err != nil {
			fmt.Println(err)
		}
		_ = server.Stop(ctx)
	}
}

func ExampleProducer_Send() {
	ctx := context.Background()
	p, stop := shop(ctx)
	defer stop()

	stored, err := p.Send(ctx, producer.Message{Stream: "shop", Topic: "orders", Key: "customer-7", Payload: []byte("two apples")})
	fmt.Println(stored.Outcome, "in partition", stored.Partition, err)

	_, err = p.Send(ctx, producer.Message{Stream: "shop", Topic: "refunds", Payload: []byte("one apple")})
	var failure *producer.SendError
	if errors.As(err, &failure) {
		fmt.Println(failure.Topic, failure.Outcome)
	}
	// Output:
	// confirmed in partition 3 <nil>
	// refunds failed
}

func ExampleProducer_SendAsync() {
	ctx := context.Background()
	p, stop := shop(ctx)
	defer stop()

	for i := range 3 {
		r := producer.Message{Stream: "shop", Topic: "orders", Key: "customer-7", Payload: fmt.Appendf(nil, "order %d", i)}
		p.SendAsync(ctx, r, func(r producer.Result) {
			fmt.Println(i, r.Outcome)
		})
	}
	if err := p.Flush(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0 confirmed
	// 1 confirmed
	// 2 confirmed
}

type tenantKey struct{}

// addTenant is middleware that adds the tenant of the caller to each message, and prints what becomes
// of it.
func addTenant(ctx context.Context, m *producer.Message) (func(producer.Result), error) {
	tenant, ok := ctx.Value(tenantKey{}).(string)
	if !ok {
		return nil, errors.New("no tenant")
	}
	m.Headers = append(m.Headers, topic.Header{Key: "tenant", Value: tenant})
	return func(r producer.Result) { fmt.Println("message of", tenant, r.Outcome) }, nil
}

func ExampleUse() {
	ctx := context.Background()
	p, stop := shop(ctx, producer.Use(addTenant))
	defer stop()

	order := producer.Message{Stream: "shop", Topic: "orders", Key: "customer-7", Payload: []byte("two apples")}
	_, err := p.Send(context.WithValue(ctx, tenantKey{}, "acme"), order)
	fmt.Println(err)
	_, err = p.Send(ctx, order)
	fmt.Println(err)
	// Output:
	// message of acme confirmed
	// <nil>
	// iggy: send to shop/orders: failed: no tenant
}

func ExampleFor() {
	ctx := context.Background()
	p, stop := shop(ctx)
	defer stop()

	orders := producer.For(p, topic.New("shop", "orders", topic.Proto[*wrapperspb.StringValue]()))
	stored, err := orders.Publish(ctx, wrapperspb.String("two apples"), producer.WithKey("customer-7"))
	fmt.Println(stored.Outcome, "in partition", stored.Partition, err)
	// Output:
	// confirmed in partition 3 <nil>
}
