package health_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
)

func ExampleHandler() {
	registry, err := health.NewRegistry(config.Default().Health)
	if err != nil {
		panic(err)
	}
	ping := func(context.Context) error { return errors.New("connection refused") }
	if err := registry.Register(health.Ping("storage", ping)); err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	health.NewHandler(registry).Register(mux)

	for _, path := range []string{health.LivePath, health.ReadyPath} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(path, w.Code)
	}
	// Output:
	// /health/live 200
	// /health/ready 503
}

func ExampleRegistry_Check() {
	registry, err := health.NewRegistry(config.Default().Health)
	if err != nil {
		panic(err)
	}
	if err := registry.Register(
		health.New("worker", func(context.Context) health.Result {
			return health.Result{Status: health.Up, Detail: map[string]int{"in_flight": 3}}
		}),
	); err != nil {
		panic(err)
	}
	report := registry.Check(context.Background())
	fmt.Println(report.Status, string(report.Components["worker"].Detail))
	// Output: up {"in_flight":3}
}
