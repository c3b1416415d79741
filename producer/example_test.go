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

// Order is what a customer buys.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
}

// Orders is the topic of orders.
var Orders = topic.New("shop", "orders", topic.JSON[Order](),
	topic.Key(func(o Order) string { return o.Customer }))

// place publishes an order and reports what became of it. A caller that repeats an order uses the same
// id.
func place(ctx context.Context, orders *producer.Publisher[Order], o Order, id [16]byte) string {
	stored, err := orders.Publish(ctx, o, producer.WithID(id))
	switch producer.OutcomeOf(err) {
	case producer.Confirmed:
		return fmt.Sprint("stored in partition ", stored.Partition)
	case producer.Failed:
		return "surely not stored"
	default:
		return "sent, and the answer was lost: publish it again with the same id"
	}
}

func ExampleOutcomeOf() {
	ctx := context.Background()
	p, stop := shop(ctx)
	defer stop()

	orders := producer.For(p, Orders)
	fmt.Println(place(ctx, orders, Order{ID: "1", Customer: "customer-7"}, [16]byte{1}))
	refunds := producer.For(p, topic.New("shop", "refunds", topic.JSON[Order]()))
	fmt.Println(place(ctx, refunds, Order{ID: "1"}, [16]byte{2}))
	// Output:
	// stored in partition 3
	// surely not stored
}

func ExamplePublisher_PublishAll() {
	ctx := context.Background()
	p, stop := shop(ctx)
	defer stop()

	err := producer.For(p, Orders).PublishAll(ctx, []Order{{ID: "1", Customer: "acme"}, {ID: "2", Customer: "acme"}})
	var failed *producer.SendAllError
	if errors.As(err, &failed) {
		for i, r := range failed.Results {
			fmt.Println(i, r.Outcome, r.Err)
		}
	}
	fmt.Println(err)
	// Output: <nil>
}

func ExamplePublisher_PublishAsync() {
	ctx := context.Background()
	p, stop := shop(ctx)
	defer stop()

	orders := producer.For(p, Orders)
	for i := range 3 {
		orders.PublishAsync(ctx, Order{ID: fmt.Sprint(i), Customer: "acme"}, func(r producer.Result) {
			fmt.Println(i, r.Outcome)
		})
	}
	// All callbacks have returned when Flush returns.
	if err := p.Flush(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0 confirmed
	// 1 confirmed
	// 2 confirmed
}

func ExampleEncode() {
	id := [16]byte{15: 1}
	message, err := producer.Encode(Orders, Order{ID: "1", Customer: "acme"}, producer.WithID(id))
	fmt.Println(message.Topic, message.Key, string(message.Payload), err)
	// Output: orders acme {"id":"1","customer":"acme"} <nil>
}
