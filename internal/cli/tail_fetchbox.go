package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// fetchboxTail is a tail command for one of FetchBox's topics.
type fetchboxTail[T proto.Message] struct {
	use, what, example string
	topic              func(jobs.Topics) topic.Topic[T]
	job                func(T) string
	text               func(painter, message, T) string
}

func (t fetchboxTail[T]) command(a *app) *cobra.Command {
	var o tailOptions
	var job string
	c := &cobra.Command{
		Use:   t.use,
		Short: "Show the " + t.what + " of jobs",
		Long: "Show the " + t.what + ` of jobs, of all partitions in the order of time.

At a terminal each message is a line of text; elsewhere, and with --output json, it
is a line of protobuf JSON. The command ends at the end of the log, or with --follow at
ctrl-C.`,
		Example: t.example,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.run(cmd.Context(), a, o, job, a.showsJSON(cmd.Flags().Changed("output")))
		},
	}
	c.Flags().StringVar(&job, "job-id", "", "only those of this `job`")
	o.addFlags(c)
	return c
}

func (t fetchboxTail[T]) run(ctx context.Context, a *app, o tailOptions, job string, asJSON bool) error {
	cluster, err := a.loadCluster()
	if err != nil {
		return err
	}
	where := t.topic(jobs.FromConfig(cluster.Topics))
	ref := topicRef{stream: where.Stream(), name: where.Name()}
	paint := newPainter(a.streams.Out)
	shown, err := a.tail(ctx, cluster, ref, o, func(m message) (bool, error) {
		value, err := decode(where.Codec(), m)
		if err != nil {
			return false, a.reportUndecodable(ref, m, err)
		}
		if job != "" && t.job(value) != job {
			return false, nil
		}
		line := []byte(t.text(paint, m, value) + "\n")
		if asJSON {
			if line, err = jsonLine(value); err != nil {
				return false, err
			}
		}
		_, err = a.out.Write(line)
		return true, err
	})
	if err == nil && !o.follow && shown == 0 && job != "" {
		err = fmt.Errorf("no %s of job %q in %s", t.what, job, where)
	}
	return err
}
