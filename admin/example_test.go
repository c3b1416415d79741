package admin_test

import (
	"context"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func ExampleAdmin_Provision() {
	ctx := context.Background()
	server, err := embedded.Start()
	if err != nil {
		panic(err)
	}
	defer func() { _ = server.Stop(ctx) }()

	cfg := config.Default().Iggy
	cfg.Endpoint = server.Endpoint()
	cfg.ClientID, cfg.ClientSecret = embedded.DefaultUsername, config.NewSecret(embedded.DefaultPassword)
	a, err := admin.New(cfg)
	if err != nil {
		panic(err)
	}
	defer func() { _ = a.Close() }()

	spec := admin.Spec{{Stream: "shop", Name: "orders", Settings: topic.Settings{Partitions: 2}, Groups: []string{"packers"}}}
	for range 2 {
		report, err := a.Provision(ctx, spec)
		if err != nil {
			panic(err)
		}
		fmt.Print(report)
	}
	lag, err := a.Lag(ctx, admin.Group{Stream: "shop", Topic: "orders", Name: "packers"})
	if err != nil {
		panic(err)
	}
	fmt.Println("lag", lag.Total())
	// Output:
	// + stream shop
	// + topic  shop/orders: 2 partitions, retention for ever
	// + group  shop/orders group packers
	// = stream shop
	// = topic  shop/orders
	// = group  shop/orders group packers
	// lag 0
}
