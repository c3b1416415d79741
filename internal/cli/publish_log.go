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

func (a *app) publishLogCommand() *cobra.Command {
	var o publishOptions
	c := &cobra.Command{
		Use:   "publish-log --file FILE",
		Short: "Publish log entries of jobs",
		Long: `Publish JobLog messages, given as JSON: one, an array of them, or JSON lines. A
missing timestamp_ms is now.`,
		Example: `  fetchbox-iggy-cli publish-log --file log.json`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fetchboxPublish[*jobspb.JobLog]{
				what:     "log entry",
				topic:    func(t jobs.Topics) fmt.Stringer { return t.Logs },
				validate: jobs.ValidateLog,
				send: func(ctx context.Context, p *producer.Producer, topics jobs.Topics, messages []*jobspb.JobLog) error {
					for _, m := range messages {
						if m.GetTimestampMs() == 0 {
							m.TimestampMs = uint64(time.Now().UnixMilli())
						}
					}
					return producer.For(p, topics.Logs).PublishAll(ctx, messages)
				},
			}.run(cmd.Context(), a, o)
		},
	}
	o.addProtobufFlags(c, "log entry")
	return c
}
