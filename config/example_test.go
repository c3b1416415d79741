package config_test

import (
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// The application declares a consumer, a topic and a section of its own.
func ExampleLoad() {
	server := struct {
		Addr string `yaml:"addr"`
	}{Addr: "127.0.0.1:8080"}

	cfg, err := config.Load(
		config.WithPrefix("SHOP"),
		config.WithConsumer("billing", config.DefaultConsumer("billing")),
		config.WithTopic("orders", config.DefaultTopic("shop", "orders")),
		config.WithSection("server", &server),
		config.WithYAML("shop.yaml", []byte(`
iggy:
  endpoint: iggy://broker.example
  client_id: worker
consumers:
  billing: {max_in_flight: 64}
topics:
  orders: {partitions: 8, retention: 7d}
server:
  addr: 0.0.0.0:80
`)),
		// A program leaves this out: the process's environment is the default.
		config.WithEnviron([]string{"SHOP__IGGY__CLIENT_SECRET=hunter2"}),
	)
	if err != nil {
		panic(err)
	}
	fmt.Println(cfg.Iggy.Address(), cfg.Iggy.ClientID, cfg.Iggy.ClientSecret)
	fmt.Println(cfg.Consumers["billing"].Group, cfg.Consumers["billing"].MaxInFlight)
	fmt.Println(cfg.Topics.Declared["orders"].Stream, cfg.Topics.Declared["orders"].Retention)
	fmt.Println(server.Addr)
	// Output:
	// broker.example:8090 worker ***
	// billing 64
	// shop 7d
	// 0.0.0.0:80
}

func ExampleFaults() {
	_, err := config.Load(
		config.WithYAML("shop.yaml", []byte("iggy:\n  token: t\n  endpiont: x\nproducer:\n  retry: {max_retries: -7}\n")),
		config.WithEnviron([]string{"IGGY__PRODUCER__LINGER=5"}),
	)
	for _, fault := range config.Faults(err) {
		fmt.Println(fault)
	}
	// Output:
	// iggy.endpiont: unknown key; did you mean endpoint? (shop.yaml:3)
	// producer.linger: must be a duration such as 500ms, 5s or 1m30s (IGGY__PRODUCER__LINGER)
	// producer.retry.max_retries: must be 0 or more, or -1 for no limit (shop.yaml:5)
}
