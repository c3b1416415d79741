package cli_test

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func failure(job, resource, code string, offset uint64) topic.Failure[*jobspb.DownloadTask] {
	return topic.Failure[*jobspb.DownloadTask]{
		Origin: topic.Origin{
			Stream: "fetchbox", Topic: "jobs.tasks", Partition: 1, Offset: offset, ID: [16]byte{byte(offset + 1)},
			Group: "workers", Timestamp: time.Now(),
		},
		Value:   &jobspb.DownloadTask{JobId: job, ResourceId: resource, Url: "http://x/" + resource},
		Decoded: true, Code: code, Err: errors.New("it \x1b[31mfailed"), Attempts: 5,
	}
}

// withLetters is a system with three dead letters, one of them stored twice, and
// one that can't be put back.
func withLetters(t *testing.T) system {
	s := newSystem(t)
	p := s.publisher()
	for _, f := range []topic.Failure[*jobspb.DownloadTask]{
		failure("a", "1", "DOWNLOAD_TIMEOUT", 1), failure("a", "1", "DOWNLOAD_TIMEOUT", 1),
		failure("a", "2", "DOWNLOAD_HTTP_4XX", 2), failure("b", "3", "HANDLER_ERROR", 3),
	} {
		require.NoError(t, p.DeadLetter(t.Context(), f))
	}
	undecoded := failure("", "", topic.CodeDecode, 4)
	undecoded.Decoded, undecoded.Value, undecoded.Payload = false, nil, []byte{0xff}
	require.NoError(t, p.DeadLetter(t.Context(), undecoded))
	return s
}

type listed struct {
	Position, State, Code, Unfit string
	JobID                        string `json:"job_id"`
	Replays                      int
}

func (s system) list(args ...string) []listed {
	s.t.Helper()
	return jsonLines[listed](s.t, s.run(append([]string{"dlq", "list", "-o", "json"}, args...)...).ok(s.t))
}

type replayCounts struct {
	Replayed, Found, Taken, Failed, Unknown int
	Unfit                                   []string
}

func (s system) replay(args ...string) replayCounts {
	s.t.Helper()
	return jsonOf[replayCounts](s.t, s.run(append([]string{"dlq", "replay", "--yes", "-o", "json"}, args...)...).ok(s.t))
}

func TestDLQList(t *testing.T) {
	t.Parallel()
	s := withLetters(t)
	require.Len(t, s.list(), 4)
	require.Len(t, s.list("--job-id", "a"), 2)
	require.Len(t, s.list("--code", "DOWNLOAD_*"), 2)
	require.Len(t, s.list("--code", "DOWNLOAD_TIMEOUT", "--job-id", "a"), 1)
	require.Len(t, s.list("--since", "1h"), 4)
	require.Empty(t, s.list("--until", "1h"))
	require.Empty(t, s.list("--state", "replayed"))
	out := s.run("dlq", "list").ok(t)
	require.Contains(t, out, "HANDLER_ERROR")
	require.NotContains(t, out, "\x1b", "what a message says does nothing to the terminal")

	s.run("dlq", "replay", "--job-id", "nope", "--yes").fails(t, 1, `there is no dead letter of job "nope"`)
	s.run("dlq", "drop", "--job-id", "nope", "--yes").fails(t, 1, `there is no dead letter of job "nope"`)
	require.Contains(t, s.run("dlq", "list", "--job-id", "a", "--state", "dropped").ok(t), "no dead letters (--state dropped)")
	s.run("dlq", "list", "--job-id", "nope").fails(t, 1, `there is no dead letter of job "nope"`)
	s.run("dlq", "list", "--state", "lost").fails(t, 2, "--state must be")
	s.run("dlq", "list", "--code", "[").fails(t, 2, "not a pattern")
	s.run("dlq", "list", "--since", "soon").fails(t, 2, "--since must be")
	s.run("dlq", "lst").fails(t, 2, `did you mean "list"?`)
}

func TestDLQShow(t *testing.T) {
	t.Parallel()
	s := withLetters(t)
	position := s.list("--code", "HANDLER_ERROR")[0].Position
	shown := jsonOf[struct {
		State, Message string
		Attempts       int
		Origin         struct{ Offset int }
		Letter         struct{ Task struct{ JobID string } }
		Headers        []map[string]string
		History        []struct{ Mark, By string }
	}](t, s.run("dlq", "show", position).ok(t))
	require.Equal(t, "open", shown.State)
	require.Equal(t, 3, shown.Origin.Offset)
	require.Equal(t, 5, shown.Attempts)
	require.Equal(t, "b", shown.Letter.Task.JobID)
	require.Empty(t, shown.History)
	require.Contains(t, shown.Headers, map[string]string{"key": "origin-partition", "value": "1"})
	s.run("dlq", "show", "1/99").fails(t, 1, "there is no dead letter at 1/99")
	s.run("dlq", "show", "first").fails(t, 2, "position, such as 0/12")
	s.run("dlq", "show").fails(t, 2, "takes one position")
}

func TestDLQReplay(t *testing.T) {
	t.Parallel()
	s := withLetters(t)
	s.run("dlq", "replay", "--yes").fails(t, 2, "say which dead letters")
	s.run("dlq", "replay", "--yes", "--all", "--job-id", "a").fails(t, 2, "say which dead letters")
	s.run("dlq", "replay", "--all").fails(t, 2, "say --yes")
	require.Contains(t, s.run("dlq", "replay", "--all", "--dry-run").ok(t), "would replay 4 dead letters")
	require.Empty(t, s.Messages("fetchbox", "jobs.tasks"))

	require.Equal(t, replayCounts{Replayed: 1}, s.replay("--code", "DOWNLOAD_TIMEOUT"))
	tasks := s.Messages("fetchbox", "jobs.tasks")
	require.Len(t, tasks, 1)
	require.Contains(t, string(tasks[0].UserHeaders), "replay-of")

	all := s.run("dlq", "replay", "--all", "--yes", "-o", "json")
	counts := jsonOf[replayCounts](t, all.ok(t))
	require.Equal(t, 2, counts.Replayed)
	require.Len(t, counts.Unfit, 1)
	require.Contains(t, all.err, "could not be decoded")
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), 3)
	// Once more there is nothing left, but what can't be put back.
	require.Zero(t, s.replay("--all").Replayed)
	require.Contains(t, s.run("dlq", "replay", "--job-id", "a", "--yes").ok(t), "there is no dead letter to replay")
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), 3)
	require.Len(t, s.list("--state", "replayed"), 3)

	// Again on purpose, under another id.
	require.Equal(t, replayCounts{Replayed: 1}, s.replay("--job-id", "b", "--state", "replayed"))
	tasks = s.Messages("fetchbox", "jobs.tasks")
	require.Len(t, tasks, 4)
	ids := map[[16]byte]bool{}
	for _, m := range tasks {
		ids[m.ID] = true
	}
	require.Len(t, ids, 4)
	require.Equal(t, 2, s.list("--job-id", "b", "--state", "all")[0].Replays)
}

// TestDLQReplayUndecoded holds that a message which its readers can decode by now comes
// back as it was.
func TestDLQReplayUndecoded(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	undecoded := failure("", "", topic.CodeDecode, 4)
	undecoded.Decoded, undecoded.Value, undecoded.Payload = false, nil, []byte{0xff, 0}
	undecoded.Headers = []topic.Header{{Key: "message-type", Value: "fetchbox.jobs.DownloadTask2"}, {Key: "content-encoding", Value: "br"}}
	require.NoError(t, s.publisher().DeadLetter(t.Context(), undecoded))
	tooLong := failure("", "", topic.CodeDecode, 5)
	tooLong.Decoded, tooLong.Value, tooLong.Payload = false, nil, make([]byte, 10_000_000)
	require.NoError(t, s.publisher().DeadLetter(t.Context(), tooLong))
	require.Contains(t, s.run("dlq", "list", "-o", "json").ok(t), "--undecoded puts it back as it was")

	r := s.run("dlq", "replay", "--all", "--undecoded", "--yes", "-o", "json")
	counts := jsonOf[replayCounts](t, r.ok(t))
	require.Equal(t, 1, counts.Replayed)
	require.Len(t, counts.Unfit, 1)
	require.Contains(t, r.err, "too long to be kept whole")
	require.Zero(t, s.replay("--all", "--undecoded").Replayed, "it may be repeated")
	tasks := s.Messages("fetchbox", "jobs.tasks")
	require.Len(t, tasks, 1)
	require.Equal(t, []byte{0xff, 0}, tasks[0].Payload)
	require.EqualValues(t, 1, tasks[0].Partition, "where it was")
	headers := map[string]string{}
	require.NoError(t, wire.RangeHeaders(tasks[0].UserHeaders, func(key, value string) bool {
		headers[key] = value
		return true
	}))
	require.Equal(t, "fetchbox.jobs.DownloadTask2", headers["message-type"])
	require.Equal(t, "br", headers["content-encoding"])
	require.Contains(t, headers["replay-of"], "jobs.dlq/")
}

func TestDLQDrop(t *testing.T) {
	t.Parallel()
	s := withLetters(t)
	position := s.list("--code", "VALIDATION_DECODE")[0].Position
	require.Contains(t, s.run("dlq", "drop", position, "--dry-run").ok(t), "would drop 1 dead letter")
	require.Contains(t, s.run("dlq", "drop", position, "--yes").ok(t), "dropped 1 dead letter")
	s.run("dlq", "drop", position, "--yes").fails(t, 1, position+": no dead letter there, or not open")
	require.Len(t, s.list(), 3)
	require.Equal(t, "dropped", s.list("--state", "dropped")[0].State)

	s.run("dlq", "drop", "--job-id", "b", "--yes").ok(t)
	require.Zero(t, len(s.list("--code", "HANDLER_ERROR")))
	require.Equal(t, replayCounts{Replayed: 1}, s.replay("--job-id", "b", "--state", "dropped"))
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), 1)
}

// TestDLQReplayLostAnswer holds that a task whose confirmation was lost is not
// put back twice.
func TestDLQReplayLostAnswer(t *testing.T) {
	t.Parallel()
	s := withLetters(t)
	isTasks := func(r iggytest.Request) bool {
		return bytes.Contains(r.Body[:min(len(r.Body), 40)], []byte("jobs.tasks"))
	}
	lost := s.Inject(iggytest.Cut().AfterEffect().On(embedded.SendMessages).When(isTasks).Times(1))
	counts := s.replay("--job-id", "a")
	lost.Wait(1)
	require.Equal(t, 2, counts.Replayed)
	stored := map[[16]byte]int{}
	for _, m := range s.Messages("fetchbox", "jobs.tasks") {
		stored[m.ID]++
	}
	// The producer sent them again, under the ids that tell a duplicate.
	require.Len(t, stored, 2)
	for _, n := range stored {
		require.LessOrEqual(t, n, 2)
	}
	require.Len(t, s.list("--state", "replayed"), 2)
}

// TestDLQReplayAfterCrash holds that a run finds what another one has put back
// that ended before it could say so.
func TestDLQReplayAfterCrash(t *testing.T) {
	t.Parallel()
	var past atomic.Int64
	past.Store(int64(time.Hour))
	s := newSystem(t, embedded.WithClock(func() time.Time { return time.Now().Add(-time.Duration(past.Load())) }))
	p := s.publisher()
	require.NoError(t, p.DeadLetter(t.Context(), failure("a", "1", "DOWNLOAD_TIMEOUT", 1)))
	require.NoError(t, p.DeadLetter(t.Context(), failure("a", "2", "DOWNLOAD_TIMEOUT", 2)))

	isMark := func(r iggytest.Request) bool {
		return bytes.Contains(r.Body[:min(len(r.Body), 60)], []byte(".marks")) && len(s.Messages("fetchbox", "jobs.tasks")) > 0
	}
	refused := s.Inject(iggytest.Answer(embedded.StatusUnauthorized).On(embedded.SendMessages).When(isMark))
	s.run("dlq", "replay", "--all", "--yes").fails(t, 1, "marks")
	refused.Remove()
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), 2)
	past.Store(int64(50 * time.Minute)) // the claims of the first run have expired
	require.NoError(t, p.DeadLetter(t.Context(), failure("a", "3", "DOWNLOAD_TIMEOUT", 3)))
	require.Equal(t, replayCounts{Replayed: 1, Found: 2}, s.replay("--all"))
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), 3)
	require.Len(t, s.list("--state", "replayed"), 3)
}

// TestDLQReplayTogether holds that of several who put letters back at once only
// one gets each.
func TestDLQReplayTogether(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	p := s.publisher()
	for i := range uint64(50) {
		require.NoError(t, p.DeadLetter(t.Context(), failure("a", "1", "DOWNLOAD_TIMEOUT", i)))
	}
	results := make([]result, 4)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i] = s.run("dlq", "replay", "--all", "--yes", "-o", "json") })
	}
	all.Wait()
	replayed := 0
	for _, r := range results {
		replayed += jsonOf[replayCounts](t, r.ok(t)).Replayed
	}
	require.Equal(t, 50, replayed)
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), 50)
}
