package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// provisionOptions are what to create, and how.
type provisionOptions struct {
	topic       string // empty for FetchBox's topics
	partitions  uint32
	retention   string
	maxSize     string
	groups      []string
	yes, dryRun bool
}

func (a *app) provisionCommand() *cobra.Command {
	var o provisionOptions
	c := &cobra.Command{
		Use:   "provision [STREAM/TOPIC]",
		Short: "Create a topic and its groups, or FetchBox's topics",
		Long: `Create a topic, its stream and its consumer groups if they are missing, with the
settings of the flags. Without a topic, create FetchBox's stream, topics and groups as
configured; with the --prefix of other services a topic is needed. The command prints a
plan and asks. In the plan, "+" is created, "=" exists with these settings, and "!"
exists with other ones. Nothing that exists is changed.

For each group, the command also creates the coordination group, by which the members
agree on a fair assignment.

` + topicHelp,
		Example: `  fetchbox-iggy-cli provision shop/orders --partitions 8 --retention 7d --group billing
  fetchbox-iggy-cli provision --dry-run`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return oneTopic(cmd, args)
			}
			if !a.isFetchBox() {
				return usagef("name a topic: FetchBox's topics are not in the configuration of --prefix %s", a.prefix)
			}
			for _, name := range []string{"partitions", "retention", "max-size", "group"} {
				if cmd.Flags().Changed(name) {
					return usagef("--%s needs a topic; FetchBox's topics are created as configured", name)
				}
			}
			return nil
		},
		ValidArgsFunction: a.topicArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.topic = args[0]
			}
			return a.provision(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.Uint32Var(&o.partitions, "partitions", 1, "`number` of partitions")
	f.StringVar(&o.retention, "retention", "0", "how `long` messages are kept: 7d, 12h, 0 for the server's default, -1 for ever")
	f.StringVar(&o.maxSize, "max-size", "0", "`size` at which the oldest messages are deleted: 10GiB, 0 for the server's default")
	f.StringArrayVar(&o.groups, "group", nil, "`name` of a consumer group; may be repeated")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the plan, and create nothing")
	return c
}

// spec is what to create.
func (o provisionOptions) spec(cluster config.Cluster) (admin.Spec, error) {
	if o.topic == "" {
		return jobs.Spec(cluster), nil
	}
	ref, err := parseTopic(cluster.Topics, o.topic)
	if err != nil {
		return nil, err
	}
	retention, err := config.ParseRetention(o.retention)
	if err != nil {
		return nil, usagef("--retention: %w", err)
	}
	size, err := config.ParseBytes(o.maxSize)
	if err != nil || size < 0 {
		return nil, usagef("--max-size must be a size such as 10GiB, or 0 for the server's default")
	}
	t := admin.TopicSpec{Stream: ref.stream, Name: ref.name, Settings: topic.Settings{
		Partitions: o.partitions, Retention: retention.Duration(), MaxSize: uint64(size),
	}}
	for _, group := range o.groups {
		t.Groups = append(t.Groups, config.DefaultConsumer(group).Groups()...)
	}
	return admin.Spec{t}, nil
}

func (a *app) provision(ctx context.Context, o provisionOptions) error {
	return a.withAdmin(func(cluster config.Cluster, server *admin.Admin) error {
		spec, err := o.spec(cluster)
		if err != nil {
			return err
		}
		plan, err := server.Plan(ctx, spec)
		if err != nil {
			return interruptedOr(ctx, err)
		}
		if err := a.printReport(plan); err != nil {
			return err
		}
		missing := len(plan.Created())
		if missing == 0 || o.dryRun {
			return nil
		}
		if !o.yes {
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
	})
}

func (a *app) printReport(r admin.Report) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(r)
	}
	p := newPainter(a.streams.Out)
	for _, step := range r.Steps {
		line := printable(step.String())
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
