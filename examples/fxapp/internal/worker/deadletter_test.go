package worker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestFailedTaskHasOneDeadLetter(t *testing.T) {
	t.Parallel()
	f := start(t)
	failure := topic.Failure[*jobspb.DownloadTask]{
		Origin: origin, Value: f.task("missing"), Decoded: true, Code: "DOWNLOAD_HTTP_4XX", Err: errors.New("404"), Attempts: 1,
	}
	f.published.failures = 1
	require.ErrorIs(t, f.DeadLetter(t.Context(), failure), errUnavailable, "the consumer retries")
	require.Empty(t, f.published.statuses, "nothing is reported before the dead letter is confirmed")
	require.NoError(t, f.DeadLetter(t.Context(), failure))
	require.NoError(t, f.DeadLetter(t.Context(), failure), "redelivered after a crash")
	require.Len(t, f.published.deadLetters, 1)
	require.EqualValues(t, 1, f.published.lastStatus().GetResourcesFailed())
	require.Equal(t, "404", f.published.lastStatus().GetLastErrorMessage())

	// The message is redelivered after a crash: it has a dead letter. A replayed task is another
	// message.
	require.NoError(t, f.Process(t.Context(), f.task("missing"), origin, 1))
	require.Zero(t, f.requests["/missing"])
	again := origin
	again.Offset++
	require.Error(t, f.Process(t.Context(), f.task("missing"), again, 1))
	require.Equal(t, 1, f.requests["/missing"])

	replayed := f.task("missing")
	replayed.Url = f.http.URL + "/found"
	require.NoError(t, f.Process(t.Context(), replayed, again, 1))
	require.EqualValues(t, 1, f.published.lastStatus().GetResourcesCompleted())
	require.Zero(t, f.published.lastStatus().GetResourcesFailed())
}

func TestInvalidTaskIsDeadLettered(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, task := range []*jobspb.DownloadTask{{}, {JobId: "j"}, {ResourceId: "r"}, {JobId: strings.Repeat("j", 256), ResourceId: "r"}, {JobId: "j", ResourceId: strings.Repeat("r", 5000)}} {
		err := f.Process(t.Context(), task, origin, 1)
		require.Equal(t, jobs.CodeValidation, topic.CodeOf(err), "%v", task)
		require.NoError(t, f.DeadLetter(t.Context(), topic.Failure[*jobspb.DownloadTask]{Origin: origin, Value: task, Decoded: true, Err: err}))
	}
	require.NoError(t, f.DeadLetter(t.Context(), topic.Failure[*jobspb.DownloadTask]{Origin: origin, Payload: []byte{1}, Err: errors.New("bad")}))
	require.Len(t, f.published.deadLetters, 6)
	require.Empty(t, f.published.logs, "the tasks identify no job")
	require.Empty(t, f.published.statuses)
}
