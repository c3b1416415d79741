package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// tailCommand is what differs between the tail commands.
type tailCommand[T proto.Message] struct {
	use, what, example string
	topic              func(jobs.Topics) topic.Topic[T]
	job                func(T) string
	text               func(painter, message, T) string
}

type tailOptions struct {
	job    string
	since  string
	follow bool
}

func (t tailCommand[T]) command(a *app) *cobra.Command {
	var o tailOptions
	c := &cobra.Command{
		Use:   t.use,
		Short: "Show the " + t.what + " of jobs",
		Long: "Show the " + t.what + ` of jobs, of all partitions in the order of time.

At a terminal each message is a line of text; elsewhere, and with --output json, it
is a line of protobuf JSON. The command ends at the end of the log, unless --follow.`,
		Example: t.example,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.run(cmd.Context(), a, o, cmd.Flags().Changed("output"))
		},
	}
	c.Flags().StringVar(&o.job, "job-id", "", "only those of this `job`")
	c.Flags().StringVar(&o.since, "since", "first", sinceHelp)
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "wait for new messages at the end of the log, until ctrl-C")
	return c
}

func (t tailCommand[T]) run(ctx context.Context, a *app, o tailOptions, outputChosen bool) error {
	since, err := parseSince(o.since, time.Now())
	if err != nil {
		return err
	}
	cluster, err := a.loadCluster()
	if err != nil {
		return err
	}
	where := t.topic(jobs.FromConfig(cluster.Topics))
	r, err := a.openReader(ctx, cluster, where.Stream(), where.Name(), since)
	if err != nil {
		return err
	}
	defer r.close(ctx)

	_, atTerminal := terminal(a.streams.Out)
	asJSON := a.json() || !outputChosen && !atTerminal
	paint := newPainter(a.streams.Out)
	shown := 0
	show := func(m message) error {
		value, err := decode(where.Codec(), m)
		if err != nil {
			_, err := fmt.Fprintf(a.err, "fetchbox-iggy-cli: %s/%s: can't be decoded: %s\n", where, m.position(), oneLine(err.Error()))
			return err
		}
		if o.job != "" && t.job(value) != o.job {
			return nil
		}
		shown++
		line := []byte(t.text(paint, m, value) + "\n")
		if asJSON {
			if line, err = jsonLine(value); err != nil {
				return err
			}
		}
		_, err = a.out.Write(line)
		return err
	}
	if err := r.readToEnd(ctx, show); err != nil {
		if o.follow && errors.Is(err, errInterrupted) {
			return nil
		}
		return err
	}
	if !o.follow {
		if shown == 0 && o.job != "" {
			return fmt.Errorf("no %s of job %q in %s", t.what, o.job, where)
		}
		return nil
	}
	err = r.follow(ctx, a.connectionReporter(cluster.Iggy), show)
	if errors.Is(err, errInterrupted) {
		return nil // an interrupt is the way to end it
	}
	return err
}
