package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// tail is what the tail commands differ in.
type tail[T proto.Message] struct {
	use, what, example string
	topic              func(jobs.Topics) topic.Topic[T]
	job                func(T) string
	line               func(painter, message, T) string
}

type tailOptions struct {
	job    string
	since  string
	follow bool
}

func (t tail[T]) command(a *app) *cobra.Command {
	var o tailOptions
	c := &cobra.Command{
		Use:   t.use,
		Short: "Show the " + t.what + " of jobs",
		Long: "Show the " + t.what + ` of jobs, of all partitions in the order of time.

At a terminal each one is a line for people; elsewhere, and with --output json,
it is a line of protobuf JSON. It ends at the end of the log, unless --follow.`,
		Example: t.example,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.run(cmd.Context(), a, o, cmd.Flags().Changed("output"))
		},
	}
	c.Flags().StringVar(&o.job, "job-id", "", "only those of this `job`")
	c.Flags().StringVar(&o.since, "since", "first", sinceHelp)
	c.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on at the end of the log with what comes, until ctrl-C")
	return c
}

func (t tail[T]) run(ctx context.Context, a *app, o tailOptions, outputChosen bool) error {
	since, err := parseSince(o.since, time.Now())
	if err != nil {
		return err
	}
	cluster, err := a.load()
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
	show := func(rec message) error {
		message, err := decode(where.Codec(), rec)
		if err != nil {
			_, err := fmt.Fprintf(a.err, "fetchbox-iggy-cli: %s/%s: can't be decoded: %s\n", where, rec.position(), oneLine(err.Error()))
			return err
		}
		if o.job != "" && t.job(message) != o.job {
			return nil
		}
		shown++
		line := []byte(t.line(paint, rec, message) + "\n")
		if asJSON {
			if line, err = jsonLine(message); err != nil {
				return err
			}
		}
		_, err = a.out.Write(line)
		return err
	}
	if err := r.toEnd(ctx, show); err != nil {
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
	err = r.follow(ctx, a.tellConnection(cluster.Iggy), show)
	if errors.Is(err, errInterrupted) {
		return nil // the way to end it
	}
	return err
}

// tellConnection tells someone who follows why nothing comes.
func (a *app) tellConnection(server config.Iggy) func(error) {
	return func(err error) {
		if err == nil {
			fmt.Fprintf(a.err, "fetchbox-iggy-cli: connected to %s again\n", describeServer(server))
			return
		}
		fmt.Fprintf(a.err, "fetchbox-iggy-cli: waiting for %s: %s\n", describeServer(server), strings.Join(describe(err), "; "))
	}
}

func decode[T any](codec topic.Codec[T], rec message) (T, error) {
	if rec.fault != nil {
		var none T
		return none, rec.fault
	}
	return codec.Decode(rec.payload)
}
