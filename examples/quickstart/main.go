// Command quickstart is a service with a topic of its own: it places three orders and bills them.
// docs/getting-started.md builds it.
package main

import (
	"context"
	"fmt"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Order is what a customer buys.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
}

// Orders is the topic of orders: its stream and name, its codec and its key.
var Orders = topic.New("shop", "orders", topic.JSON[Order](),
	topic.Key(func(o Order) string { return o.Customer }))

func main() {
	fx.New(
		fxiggy.Core,
		fxiggy.Prefix("SHOP"), // SHOP__IGGY__ENDPOINT and so on
		fxiggy.Publish(Orders),
		fxiggy.Consume(Orders, "billing", fxiggy.DeadLetters()),
		fx.Provide(newLogger),
		fx.WithLogger(fxiggy.Logger), // logs failures only
		fx.Invoke(billOrders, placeOrders),
	).Run()
}

// newLogger returns a logger for a terminal, without the stack traces of warnings.
func newLogger() (*zap.Logger, error) {
	cfg := zap.NewDevelopmentConfig()
	cfg.Level.SetLevel(zap.InfoLevel)
	cfg.DisableCaller, cfg.DisableStacktrace = true, true
	return cfg.Build()
}

// billOrders sets the handler of orders.
func billOrders(orders *consumer.Consumer[Order]) error {
	return orders.Handle(func(_ context.Context, m *consumer.Message[Order]) error {
		if m.Value.Cents <= 0 {
			return consumer.Permanent(fmt.Errorf("order %s has no price", m.Value.ID)) // a dead letter
		}
		fmt.Println("billed order", m.Value.ID)
		return nil // acknowledges the message
	})
}

// placeOrders publishes three orders when the service starts. The last one can't be billed.
func placeOrders(bg *fxiggy.Background, orders *producer.Publisher[Order]) error {
	return bg.Go("orders", func(ctx context.Context) error {
		for _, o := range []Order{{"1", "acme", 1250}, {"2", "acme", 300}, {"3", "zeta", 0}} {
			if _, err := orders.Publish(ctx, o); err != nil {
				return err
			}
			fmt.Println("placed order", o.ID)
		}
		return nil
	})
}
