package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func (a *app) publishStatusCommand() *cobra.Command {
	var o publishOptions
	c := &cobra.Command{
		Use:   "publish-status --file FILE",
		Short: "Publish states of jobs",
		Long: `Publish JobStatus messages, given as JSON: one, an array of them, or JSON lines. A
missing timestamp_ms is now.`,
		Example: `  fetchbox-iggy-cli publish-status --file status.json`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fetchboxPublish[*jobspb.JobStatus]{
				what:     "status",
				topic:    func(t jobs.Topics) fmt.Stringer { return t.Status },
				validate: jobs.ValidateStatus,
				send: func(ctx context.Context, p *producer.Producer, topics jobs.Topics, messages []*jobspb.JobStatus) error {
					for _, m := range messages {
						if m.GetTimestampMs() == 0 {
							m.TimestampMs = uint64(time.Now().UnixMilli())
						}
					}
					return producer.For(p, topics.Status).PublishAll(ctx, messages)
				},
			}.run(cmd.Context(), a, o)
		},
	}
	o.addProtobufFlags(c, "status")
	return c
}
