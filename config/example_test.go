package config_test

import (
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// The application has a section of its own in the file.
func ExampleLoad() {
	server := struct {
		Addr string `yaml:"addr"`
	}{Addr: "127.0.0.1:8080"}

	cfg, err := config.Load(
		config.WithYAML("fetchbox.yaml", []byte(`
iggy:
  endpoint: iggy://broker.example
  client_id: worker
consumers:
  tasks: {max_in_flight: 64}
server:
  addr: 0.0.0.0:80
`)),
		// A program leaves this out: the process's environment is the default.
		config.WithEnviron([]string{"FETCHBOX__IGGY__CLIENT_SECRET=hunter2"}),
		config.WithSection("server", &server),
	)
	if err != nil {
		panic(err)
	}
	fmt.Println(cfg.Iggy.Address(), cfg.Iggy.ClientID, cfg.Iggy.ClientSecret)
	fmt.Println(cfg.Consumers["tasks"].Group, cfg.Consumers["tasks"].MaxInFlight)
	fmt.Println(server.Addr)
	// Output:
	// broker.example:8090 worker ***
	// workers 64
	// 0.0.0.0:80
}

func ExampleFaults() {
	_, err := config.Load(
		config.WithYAML("fetchbox.yaml", []byte("iggy:\n  token: t\n  endpiont: x\nproducer:\n  retry: {max_retries: -7}\n")),
		config.WithEnviron([]string{"FETCHBOX__PRODUCER__LINGER=5"}),
	)
	for _, fault := range config.Faults(err) {
		fmt.Println(fault)
	}
	// Output:
	// iggy.endpiont: unknown key; did you mean endpoint? (fetchbox.yaml:3)
	// producer.linger: must be a duration such as 500ms, 5s or 1m30s (FETCHBOX__PRODUCER__LINGER)
	// producer.retry.max_retries: must be 0 or more, or -1 for no limit (fetchbox.yaml:5)
}
