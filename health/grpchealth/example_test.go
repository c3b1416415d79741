package grpchealth_test

import (
	"fmt"

	"google.golang.org/grpc"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/health/grpchealth"
)

// With Fx the registry is the one that fxiggy.Module provides.
func ExampleNew() {
	registry, err := health.NewRegistry(config.Default().Health)
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer()
	grpchealth.New(registry).Register(server)
	for name := range server.GetServiceInfo() {
		fmt.Println(name)
	}
	// Output: grpc.health.v1.Health
}
