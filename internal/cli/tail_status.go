package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func (a *app) tailStatusCommand() *cobra.Command {
	return fetchboxTail[*jobspb.JobStatus]{
		use:  "tail-status",
		what: "states",
		example: `  fetchbox-iggy-cli tail-status --job-id 42 --follow
  fetchbox-iggy-cli tail-status --since 1h -o json | jq .state`,
		topic: func(t jobs.Topics) topic.Topic[*jobspb.JobStatus] { return t.Status },
		job:   (*jobspb.JobStatus).GetJobId,
		text:  statusLine,
	}.command(a)
}

var stateColours = map[jobspb.JobState]colour{
	jobspb.JobState_JOB_STATE_QUEUED:      grey,
	jobspb.JobState_JOB_STATE_IN_PROGRESS: cyan,
	jobspb.JobState_JOB_STATE_PARTIAL:     yellow,
	jobspb.JobState_JOB_STATE_COMPLETED:   green,
	jobspb.JobState_JOB_STATE_FAILED:      red,
}

func statusLine(p painter, m message, s *jobspb.JobStatus) string {
	state := strings.ToLower(strings.TrimPrefix(s.GetState().String(), "JOB_STATE_"))
	line := fmt.Sprintf("%s %s %s %d/%d", p.paint(grey, shortTime(jobs.Time(s.GetTimestampMs(), m.Timestamp))),
		printable(s.GetJobId()), p.paint(stateColours[s.GetState()], state), s.GetResourcesCompleted(), s.GetResourcesTotal())
	if n := s.GetResourcesFailed(); n > 0 {
		line += p.paint(red, fmt.Sprintf(" %d failed", n))
	}
	if s.GetLastErrorCode() != "" || s.GetLastErrorMessage() != "" {
		line += " " + p.paint(red, printable(strings.TrimSpace(s.GetLastErrorCode()+" "+s.GetLastErrorMessage())))
	}
	return line
}
