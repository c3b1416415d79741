package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func (a *app) tailTasksCommand() *cobra.Command {
	return fetchboxTail[*jobspb.DownloadTask]{
		use:     "tail-tasks",
		what:    "tasks",
		example: `  fetchbox-iggy-cli tail-tasks --job-id 42 -o json > tasks.jsonl`,
		topic:   func(t jobs.Topics) topic.Topic[*jobspb.DownloadTask] { return t.Tasks },
		job:     (*jobspb.DownloadTask).GetJobId,
		text:    taskLine,
	}.command(a)
}

func taskLine(p painter, m message, t *jobspb.DownloadTask) string {
	line := fmt.Sprintf("%s %s %s/%s %s", p.paint(grey, shortTime(m.Timestamp)), p.paint(cyan, printable(t.GetJobType())),
		printable(t.GetJobId()), printable(t.GetResourceId()), printable(t.GetUrl()))
	if n := t.GetAttempt(); n > 0 {
		line += p.paint(yellow, fmt.Sprintf(" attempt %d", n))
	}
	return line
}
