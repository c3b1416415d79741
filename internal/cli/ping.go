package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) pingCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ping",
		Short: "Check that the server answers",
		Long:  "Connect to the server, log in and make one request. doctor checks more.",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.ping(cmd.Context()) },
	}
}

func (a *app) ping(ctx context.Context) error {
	cluster, err := a.loadCluster()
	if err != nil {
		return err
	}
	server, err := a.newAdmin(cluster)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	measure := func() (time.Duration, error) {
		began := time.Now()
		err := server.Ping(ctx)
		return time.Since(began).Round(10 * time.Microsecond), err
	}
	connectTime, err := measure()
	if err != nil {
		return interruptedOr(ctx, err)
	}
	requestTime, err := measure()
	if err != nil {
		return interruptedOr(ctx, err)
	}
	if a.json() {
		return json.NewEncoder(a.out).Encode(map[string]any{
			"endpoint": endpointOf(cluster.Iggy), "connect_ms": milliseconds(connectTime), "request_ms": milliseconds(requestTime),
		})
	}
	_, err = fmt.Fprintf(a.out, "%s answers: %s to connect and log in, %s for a request\n",
		describeServer(cluster.Iggy), connectTime, requestTime)
	return err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
