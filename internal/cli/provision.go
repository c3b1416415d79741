package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

func (a *app) provisionCommand() *cobra.Command {
	var yes, dryRun bool
	c := &cobra.Command{
		Use:   "provision",
		Short: "Create the stream, topics and groups that are missing",
		Long: `Create the stream, the topics and the consumer groups that are missing, as
configured. It prints the plan first: "+" is created, "=" exists as configured, "!"
exists and differs. Nothing that exists is changed.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.provision(cmd.Context(), yes, dryRun) },
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "print the plan only")
	return c
}

func (a *app) provision(ctx context.Context, yes, dryRun bool) error {
	cluster, err := a.loadCluster()
	if err != nil {
		return err
	}
	server, err := a.newAdmin(cluster)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	spec := jobs.Spec(cluster)
	plan, err := server.Plan(ctx, spec)
	if err != nil {
		return interruptedOr(ctx, err)
	}
	if err := a.printReport(plan); err != nil {
		return err
	}
	missing := len(plan.Created())
	if missing == 0 || dryRun {
		return nil
	}
	if !yes {
		if err := a.confirm(ctx, fmt.Sprintf("create %s on %s?", plural(missing, "object"), describeServer(cluster.Iggy))); err != nil {
			return err
		}
	}
	done, err := server.Provision(ctx, spec)
	if !a.json() {
		if _, err := fmt.Fprintf(a.out, "created %s\n", plural(len(done.Created()), "object")); err != nil {
			return err
		}
	}
	return interruptedOr(ctx, err)
}

func (a *app) printReport(r admin.Report) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(r)
	}
	p := newPainter(a.streams.Out)
	for _, step := range r.Steps {
		line := step.String()
		switch {
		case step.Action == admin.ActionCreate:
			line = p.paint(green, line)
		case len(step.Differences) > 0:
			line = p.paint(yellow, line)
		}
		if _, err := fmt.Fprintln(a.out, line); err != nil {
			return err
		}
	}
	return nil
}
