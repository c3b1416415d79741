package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

type logLine struct{ JobID, ResourceID, Message, Level string }

func (s system) log(job, message string) {
	s.t.Helper()
	require.NoError(s.t, errOf(s.publisher().PublishJobLog(s.t.Context(), &jobspb.JobLog{
		JobId: job, ResourceId: "r", Level: jobspb.LogLevel_LOG_LEVEL_WARN, Message: message, Fields: map[string]string{"k": "v"},
	})))
}

func TestTailPrintsInOrderOfTime(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	require.Empty(t, s.run("tail-logs").ok(t))
	p := s.publisher()
	for i := range 50 {
		require.NoError(t, errOf(p.PublishJobLog(t.Context(), &jobspb.JobLog{JobId: fmt.Sprint(i % 5), Level: jobspb.LogLevel_LOG_LEVEL_INFO, Message: fmt.Sprint(i)})))
	}
	all := jsonLines[logLine](t, s.run("tail-logs").ok(t))
	require.Len(t, all, 50)
	for i, l := range all {
		require.Equal(t, fmt.Sprint(i), l.Message, "in the order of time, over all partitions")
	}
	require.Len(t, jsonLines[logLine](t, s.run("tail-logs", "--job-id", "3", "-o", "json").ok(t)), 10)
	require.Len(t, jsonLines[logLine](t, s.run("tail-logs", "--since", "1h").ok(t)), 50)
	require.Len(t, jsonLines[logLine](t, s.run("tail-logs", "--since", "2020-01-01T00:00:00Z").ok(t)), 50)
	require.Empty(t, s.run("tail-logs", "--since", "1000").ok(t))
	require.Empty(t, s.run("tail-logs", "--since", "2120-01-01T00:00:00Z").ok(t))
	most := 0
	for partition := range uint32(4) {
		n := 0
		for _, m := range s.Messages("fetchbox", "jobs.logs") {
			if m.Partition == partition {
				n++
			}
		}
		most += max(0, n-5)
	}
	require.Len(t, jsonLines[logLine](t, s.run("tail-logs", "--since", "5").ok(t)), most)

	s.run("tail-logs", "--job-id", "nope").fails(t, 1, `no log entries of job "nope"`)
	s.run("tail-logs", "--since", "soon").fails(t, 2, "--since must be")
	s.run("tail-logs", "more").fails(t, 2, "takes no argument")
}

func TestTailText(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.log("j", "hello\n\x1b]0;title\x07")
	out := s.run("tail-logs", "-o", "text").ok(t)
	require.Contains(t, out, "WARN  j/r hello\\n\\u001b]0;title\\u0007 k=v\n")
	require.Equal(t, 1, strings.Count(out, "\n"))

	p := s.publisher()
	require.NoError(t, errOf(p.PublishJobStatus(t.Context(), &jobspb.JobStatus{
		JobId: "j", State: jobspb.JobState_JOB_STATE_FAILED, ResourcesTotal: 3, ResourcesCompleted: 1, ResourcesFailed: 2,
		LastErrorCode: "DOWNLOAD_TIMEOUT", LastErrorMessage: "too slow",
	})))
	require.Contains(t, s.run("tail-status", "-o", "text").ok(t), " j failed 1/3 2 failed DOWNLOAD_TIMEOUT too slow\n")
	require.NoError(t, errOf(p.PublishDownloadTask(t.Context(), &jobspb.DownloadTask{JobId: "j", ResourceId: "r", JobType: "t", Url: "http://x/", Attempt: 2})))
	require.Contains(t, s.run("tail-tasks", "-o", "text").ok(t), " t j/r http://x/ attempt 2\n")
}

// TestTailFollowsOverReconnect requires that --follow prints each message once, also over a lost
// connection.
func TestTailFollowsOverReconnect(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.log("j", "before")
	p := s.begin("tail-logs", "--follow")
	require.Contains(t, p.line(), "before")
	s.log("j", "then")
	require.Contains(t, p.line(), "then")
	s.StopListening()
	s.CutConnections()
	s.log("j", "while away")
	s.StartListening()
	require.Contains(t, p.line(), "while away")
	s.log("j", "after")
	require.Contains(t, p.line(), "after")
	p.interrupt()
	r := p.end()
	require.Empty(t, r.ok(t))
	if r.err != "" { // it may not have noticed at all
		require.Contains(t, r.err, "waiting for iggy://")
	}
}

// TestTailEndsAtClosedPipe requires success when the reader of the output closes it.
func TestTailEndsAtClosedPipe(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.log("j", "one")
	p := s.begin("tail-logs", "--follow")
	p.line()
	require.NoError(t, p.stdout.Close())
	s.log("j", "two")
	require.Equal(t, 0, <-p.done)
	require.Empty(t, p.err.String())
}

// TestTailSkipsUndecodableMessages requires that messages that can't be decoded are reported and
// skipped.
func TestTailSkipsUndecodableMessages(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.log("j", "good")
	conn := connectNative(t, s.Server)
	require.NoError(t, sendRaw(t, conn, "jobs.logs", []byte{0xff, 0xff}))
	r := s.run("tail-logs")
	require.Len(t, jsonLines[logLine](t, r.ok(t)), 1)
	require.Contains(t, r.err, "fetchbox/jobs.logs/0/")
	require.Contains(t, r.err, "can't be decoded")
}

func TestTailReportsRefusedPoll(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.log("j", "one")
	s.Inject(iggytest.Answer(embedded.StatusUnauthorized).On(embedded.PollMessages))
	s.run("tail-logs").fails(t, 1, "not permitted")
}
