package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func (a *app) tailLogsCommand() *cobra.Command {
	return fetchboxTail[*jobspb.JobLog]{
		use:     "tail-logs",
		what:    "log entries",
		example: `  fetchbox-iggy-cli tail-logs --job-id 42 --follow`,
		topic:   func(t jobs.Topics) topic.Topic[*jobspb.JobLog] { return t.Logs },
		job:     (*jobspb.JobLog).GetJobId,
		text:    logLine,
	}.command(a)
}

var levelColours = map[jobspb.LogLevel]colour{
	jobspb.LogLevel_LOG_LEVEL_TRACE: grey,
	jobspb.LogLevel_LOG_LEVEL_DEBUG: grey,
	jobspb.LogLevel_LOG_LEVEL_INFO:  green,
	jobspb.LogLevel_LOG_LEVEL_WARN:  yellow,
	jobspb.LogLevel_LOG_LEVEL_ERROR: red,
}

func logLine(p painter, m message, l *jobspb.JobLog) string {
	level := strings.TrimPrefix(l.GetLevel().String(), "LOG_LEVEL_")
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", p.paint(grey, shortTime(jobs.Time(l.GetTimestampMs(), m.Timestamp))),
		p.paint(levelColours[l.GetLevel()], fmt.Sprintf("%-5s", level)), printable(l.GetJobId()))
	if r := l.GetResourceId(); r != "" {
		b.WriteString("/" + printable(r))
	}
	b.WriteString(" " + printable(l.GetMessage()))
	for _, key := range slices.Sorted(maps.Keys(l.GetFields())) {
		b.WriteString(" " + p.paint(grey, printable(key)+"=") + printable(l.GetFields()[key]))
	}
	return b.String()
}
