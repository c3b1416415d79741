package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// HTTPConfig is the section "http" of the configuration.
type HTTPConfig struct {
	Addr string `yaml:"addr"`
}

// api has what the HTTP server serves.
type api struct {
	fx.In
	Config  HTTPConfig
	Orders  *producer.Publisher[Order]
	Totals  *Totals
	Health  *health.Handler
	Metrics http.Handler
	Log     *zap.Logger
}

// postOrder answers when the server has confirmed the order.
func (a api) postOrder(w http.ResponseWriter, r *http.Request) {
	var o Order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&o); err != nil || o.ID == "" || o.Customer == "" || len(o.Customer) > 100 {
		http.Error(w, "an order has an id and a customer", http.StatusBadRequest)
		return
	}
	result, err := a.Orders.Publish(r.Context(), o)
	if err != nil {
		a.Log.Warn("order not published", zap.Error(err))
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, "order %s is in partition %d\n", o.ID, result.Partition)
}

// serveHTTP starts the server with the application. It stops before everything that it uses.
func serveHTTP(lc fx.Lifecycle, a api) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", a.postOrder)
	mux.HandleFunc("GET /customers/{customer}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, a.Totals.Of(r.PathValue("customer")))
	})
	mux.Handle("GET /metrics", a.Metrics)
	a.Health.Register(mux)
	srv := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second}
	lc.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.Config.Addr)
			if err != nil {
				return err
			}
			a.Log.Info("listening", zap.Stringer("address", l.Addr()))
			go func() { _ = srv.Serve(l) }() // ends with Shutdown
			return nil
		},
		OnStop: srv.Shutdown,
	})
}
