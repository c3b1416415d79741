package cli_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func TestDLQListFilters(t *testing.T) {
	t.Parallel()
	s := newSystemWithDeadLetters(t)
	require.Len(t, s.list(), 4)
	require.Len(t, s.list("--job-id", "a"), 2)
	require.Len(t, s.list("--code", "DOWNLOAD_*"), 2)
	require.Len(t, s.list("--code", "DOWNLOAD_TIMEOUT", "--job-id", "a"), 1)
	require.Len(t, s.list("--since", "1h"), 4)
	require.Empty(t, s.list("--until", "1h"))
	require.Empty(t, s.list("--state", "replayed"))
	out := s.run("dlq", "list").ok(t)
	require.Contains(t, out, "HANDLER_ERROR")
	require.NotContains(t, out, "\x1b", "control characters of a message are escaped")

	s.run("dlq", "replay", "--job-id", "nope", "--yes").fails(t, 1, `there is no dead letter of job "nope"`)
	s.run("dlq", "drop", "--job-id", "nope", "--yes").fails(t, 1, `there is no dead letter of job "nope"`)
	require.Contains(t, s.run("dlq", "list", "--job-id", "a", "--state", "dropped").ok(t), "no dead letters (--state dropped)")
	s.run("dlq", "list", "--job-id", "nope").fails(t, 1, `there is no dead letter of job "nope"`)
	s.run("dlq", "list", "--state", "lost").fails(t, 2, "--state must be")
	s.run("dlq", "list", "--code", "[").fails(t, 2, "not a pattern")
	s.run("dlq", "list", "--since", "soon").fails(t, 2, "--since must be")
	s.run("dlq", "lst").fails(t, 2, `did you mean "list"?`)
}

// A time in another unit, from a producer in another language, is replaced by that of the message.
func TestTimesInAnotherUnit(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const nanoseconds = 1_764_331_200_000_000_000
	s.run("publish-status", "-f", writeFile(t, fmt.Sprintf(`{"job_id": "j", "state": "JOB_STATE_QUEUED", "timestamp_ms": %d}`, nanoseconds))).fails(t, 1, "timestamp_ms")
	s.run("publish-log", "-f", writeFile(t, fmt.Sprintf(`{"job_id": "j", "message": "m", "timestamp_ms": %d}`, nanoseconds))).fails(t, 1, "timestamp_ms")
	require.Empty(t, s.Messages("fetchbox", "jobs.status"))

	p := s.producer(s.cluster())
	_, err := producer.For(p, jobs.DeadLetters).Publish(t.Context(), &jobspb.DeadLetterTask{Task: &jobspb.DownloadTask{JobId: "j", ResourceId: "r"}, FailureCode: "X", FailedAtMs: nanoseconds})
	require.NoError(t, err)
	_, err = producer.For(p, jobs.Status).Publish(t.Context(), &jobspb.JobStatus{JobId: "j", State: jobspb.JobState_JOB_STATE_QUEUED, TimestampMs: nanoseconds})
	require.NoError(t, err)
	letters := jsonLines[struct {
		FailedAt time.Time `json:"failed_at"`
	}](t, s.run("dlq", "list", "-o", "json").ok(t))
	require.Len(t, letters, 1)
	require.WithinDuration(t, time.Now(), letters[0].FailedAt, time.Hour)
	require.Contains(t, s.run("tail-status", "-o", "text").ok(t), time.Now().Format("2006-"))
}
