package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func (a *app) publishTaskCommand() *cobra.Command {
	var o publishOptions
	var spread bool
	c := &cobra.Command{
		Use:   "publish-task --file FILE",
		Short: "Publish download tasks",
		Long: `Publish DownloadTasks, given as JSON: one, an array of them, or JSON lines.

A file is checked to its end before the first task is sent. The command returns when
the server has confirmed all tasks. ctrl-C waits for the tasks in flight, and prints
what was published.`,
		Example: `  fetchbox-iggy-cli publish-task --file task.json
  jq -c '.tasks[]' jobs.json | fetchbox-iggy-cli publish-task --file -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fetchboxPublish[*jobspb.DownloadTask]{
				what:     "task",
				topic:    func(t jobs.Topics) fmt.Stringer { return t.Tasks },
				validate: jobs.ValidateTask,
				send: func(ctx context.Context, p *producer.Producer, topics jobs.Topics, tasks []*jobspb.DownloadTask) error {
					if spread {
						topics = topics.KeyTasksBy(jobs.ByResource)
					}
					return jobs.NewPublisher(p, topics).PublishDownloadTasks(ctx, tasks)
				},
			}.run(cmd.Context(), a, o)
		},
	}
	o.addProtobufFlags(c, "task")
	c.Flags().BoolVar(&spread, "spread", false, "spread the tasks of a job over all partitions, without order, in place of one")
	return c
}
