package cli_test

import (
	"bytes"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/cli"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

type replayCounts struct {
	Replayed, Found, Claimed, Failed, Unknown int
	Unfit                                     []string
}

func (s system) replay(args ...string) replayCounts {
	s.t.Helper()
	return jsonOf[replayCounts](s.t, s.run(append([]string{"dlq", "replay", "--yes", "-o", "json"}, args...)...).ok(s.t))
}

func TestDLQReplayPublishesTasks(t *testing.T) {
	t.Parallel()
	s := newSystemWithDeadLetters(t)
	s.run("dlq", "replay", "--yes").fails(t, 2, "select the dead letters")
	s.run("dlq", "replay", "--yes", "--all", "--job-id", "a").fails(t, 2, "select the dead letters")
	s.run("dlq", "replay", "--all").fails(t, 2, "confirm with --yes")
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
	// Only the dead letter that can't be replayed is left.
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

// TestDLQReplayRestoresUndecodedMessages requires that a message that could not be decoded is
// published byte for byte.
func TestDLQReplayRestoresUndecodedMessages(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	undecoded := failure("", "", topic.CodeDecode, 4)
	undecoded.Decoded, undecoded.Value, undecoded.Payload = false, nil, []byte{0xff, 0}
	undecoded.Headers = []topic.Header{{Key: "message-type", Value: "fetchbox.jobs.DownloadTask2"}, {Key: "content-encoding", Value: "br"}, {Key: "tenant", Value: "a"}}
	require.NoError(t, s.publisher().DeadLetter(t.Context(), undecoded))
	tooLong := failure("", "", topic.CodeDecode, 5)
	tooLong.Decoded, tooLong.Value, tooLong.Payload = false, nil, make([]byte, 10_000_000)
	require.NoError(t, s.publisher().DeadLetter(t.Context(), tooLong))
	require.Contains(t, s.run("dlq", "list", "-o", "json").ok(t), "--undecoded replays it unchanged")

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
	require.Equal(t, "a", headers["tenant"])
	require.Contains(t, headers["replay-of"], "jobs.dlq/")
}

// TestDLQReplayRestoresPlaceAndHeaders requires that a task goes to the partition where it was, which
// the key function of its publisher may have chosen, and that it keeps the headers that it had.
func TestDLQReplayRestoresPlaceAndHeaders(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const trace = "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01"
	own := []topic.Header{{Key: "tenant", Value: "a"}, {Key: "correlation-id", Value: "c-1"}, {Key: "traceparent", Value: trace}, {Key: "tracestate", Value: "a=b"}}
	for partition := range uint32(8) {
		f := failure("a", strconv.Itoa(int(partition)), "DOWNLOAD_TIMEOUT", 1)
		f.Origin.Partition, f.Headers = partition, own
		require.NoError(t, s.publisher().DeadLetter(t.Context(), f))
	}
	keyed := failure("a", "keyed", "DOWNLOAD_TIMEOUT", 2)
	keyed.Headers = []topic.Header{{Key: "partition-key", Value: "a/keyed"}}
	require.NoError(t, s.publisher().DeadLetter(t.Context(), keyed))

	require.Equal(t, replayCounts{Replayed: 9}, s.replay("--all"))
	for _, m := range s.Messages("fetchbox", "jobs.tasks") {
		var task jobspb.DownloadTask
		require.NoError(t, proto.Unmarshal(m.Payload, &task))
		headers := map[string]string{}
		require.NoError(t, wire.RangeHeaders(m.UserHeaders, func(key, value string) bool {
			headers[key] = value
			return true
		}))
		require.Contains(t, headers["replay-of"], "jobs.dlq/")
		delete(headers, "replay-of")
		if task.GetResourceId() == "keyed" {
			require.Equal(t, wire.PartitionOf("a/keyed", 8), m.Partition)
			require.Equal(t, "a/keyed", headers["partition-key"])
			continue
		}
		require.Equal(t, task.GetResourceId(), strconv.Itoa(int(m.Partition)))
		require.Equal(t, map[string]string{
			"tenant": "a", "correlation-id": "c-1", "traceparent": trace, "tracestate": "a=b",
			"content-type": "application/x-protobuf", "message-type": "fetchbox.jobs.DownloadTask",
		}, headers)
	}
}

// TestDLQReplayAfterLostAnswer requires that a task whose confirmation was lost is not replayed
// twice.
func TestDLQReplayAfterLostAnswer(t *testing.T) {
	t.Parallel()
	s := newSystemWithDeadLetters(t)
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
	// The producer sent them again, with the same ids.
	require.Len(t, stored, 2)
	for _, n := range stored {
		require.LessOrEqual(t, n, 2)
	}
	require.Len(t, s.list("--state", "replayed"), 2)
}

// TestDLQReplayFindsTasksOfEarlierRun requires that a run finds the tasks of an earlier run that
// ended before it could write the marks.
func TestDLQReplayFindsTasksOfEarlierRun(t *testing.T) {
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

// TestDLQReplayConcurrently requires that each dead letter is replayed by one of several concurrent
// runs.
func TestDLQReplayConcurrently(t *testing.T) {
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

func TestReplayJob(t *testing.T) {
	t.Parallel()
	s := newSystemWithDeadLetters(t)
	cluster := jobs.DefaultCluster()
	cluster.Iggy.Endpoint = s.Endpoint()
	cluster.Iggy.ClientID, cluster.Iggy.ClientSecret = embedded.DefaultUsername, config.NewSecret(embedded.DefaultPassword)
	states := func(job string, limit int) (states []string, total int) {
		letters, total, err := cli.JobDeadLetters(t.Context(), cluster, job, limit)
		require.NoError(t, err)
		for _, l := range letters {
			require.NotEmpty(t, l.Position)
			require.NotEmpty(t, l.Resource)
			require.NotEmpty(t, l.Code)
			states = append(states, l.State)
		}
		return states, total
	}
	before, total := states("a", 100)
	require.Len(t, before, total)
	require.Contains(t, before, "open")
	limited, all := states("a", 1)
	require.Len(t, limited, 1)
	require.Equal(t, total, all)
	none, total := states("unknown", 100)
	require.Empty(t, none)
	require.Zero(t, total)
	counts, err := cli.ReplayJob(t.Context(), cluster, "a")
	require.NoError(t, err)
	require.Positive(t, counts.Replayed)
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), counts.Replayed)
	require.Len(t, s.list("--state", "replayed"), counts.Replayed)

	after, _ := states("a", 100)
	require.NotContains(t, after, "open")
	for _, job := range []string{"a", "unknown"} {
		again, err := cli.ReplayJob(t.Context(), cluster, job)
		require.NoError(t, err)
		require.Zero(t, again)
	}
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), counts.Replayed)
}
