package jobs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func publisher(t *testing.T, change func(*config.Config)) (*jobs.Publisher, *iggytest.Server) {
	t.Helper()
	srv := iggytest.NewServer(t)
	cfg := config.Default()
	cfg.Cluster = jobs.DefaultCluster()
	cfg.Iggy.Endpoint = srv.Endpoint()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	change(&cfg)
	for name, partitions := range map[string]uint32{"jobs.tasks": 8, "jobs.status": 4, "jobs.logs": 4, "jobs.dlq": 2} {
		srv.CreateTopic("fetchbox", name, partitions)
	}
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, p.Stop(t.Context())) })
	return jobs.NewPublisher(p, jobs.FromConfig(cfg.Topics)), srv
}

// stored is the only message of a topic.
func stored(t *testing.T, srv *iggytest.Server, name string, into proto.Message) (uint32, []topic.Header) {
	t.Helper()
	all := srv.Messages("fetchbox", name)
	require.Len(t, all, 1)
	require.NoError(t, proto.Unmarshal(all[0].Payload, into))
	var headers []topic.Header
	require.NoError(t, wire.RangeHeaders(all[0].UserHeaders, func(key, value string) bool {
		headers = append(headers, topic.Header{Key: key, Value: value})
		return true
	}))
	return all[0].Partition, headers
}

func TestPublishDownloadTask(t *testing.T) {
	t.Parallel()
	pub, srv := publisher(t, func(*config.Config) {})
	task := validTask()
	task.Headers = []*jobspb.HttpHeader{{Name: "Accept", Value: "A"}, {Name: "x-b", Value: "B"}}
	before := proto.CloneOf(task)
	require.NoError(t, errOf(pub.PublishDownloadTask(t.Context(), task)))
	require.True(t, proto.Equal(before, task), "the caller's message stays as it is")
	var got jobspb.DownloadTask
	partition, headers := stored(t, srv, "jobs.tasks", &got)
	require.Equal(t, wire.PartitionOf(task.GetJobId(), 8), partition, "by the job id")
	require.Equal(t, []topic.Header{{Key: "content-type", Value: "application/x-protobuf"}, {Key: "message-type", Value: "fetchbox.jobs.DownloadTask"}}, headers)
	before.Headers[0].Name = "accept"
	require.True(t, proto.Equal(before, &got), "%v", &got)

	task.JobId = ""
	requireFields(t, errOf(pub.PublishDownloadTask(t.Context(), task)), "DownloadTask", []string{"job_id"})
	require.Len(t, srv.Messages("fetchbox", "jobs.tasks"), 1)
}

func TestPublishDownloadTasks(t *testing.T) {
	t.Parallel()
	pub, srv := publisher(t, func(*config.Config) {})
	bad := validTask()
	bad.Url = "nowhere"
	require.ErrorContains(t, pub.PublishDownloadTasks(t.Context(), []*jobspb.DownloadTask{validTask(), bad}), "task 1: ")
	require.Empty(t, srv.Messages("fetchbox", "jobs.tasks"), "all or nothing, as far as rules go")
	require.NoError(t, pub.PublishDownloadTasks(t.Context(), []*jobspb.DownloadTask{validTask(), validTask()}, producer.WithKey("another")))
	all := srv.Messages("fetchbox", "jobs.tasks")
	require.Len(t, all, 2)
	require.Equal(t, wire.PartitionOf("another", 8), all[0].Partition)
	require.NoError(t, pub.PublishDownloadTasks(t.Context(), nil))
}

func TestMissingTimesAreFilledIn(t *testing.T) {
	t.Parallel()
	pub, srv := publisher(t, func(*config.Config) {})
	begin := uint64(time.Now().UnixMilli())
	status := &jobspb.JobStatus{JobId: "j", State: jobspb.JobState_JOB_STATE_QUEUED}
	log := &jobspb.JobLog{JobId: "j", Message: "m"}
	letter := &jobspb.DeadLetterTask{Task: validTask(), FailureCode: "X"}
	require.NoError(t, errOf(pub.PublishJobStatus(t.Context(), status)))
	require.NoError(t, errOf(pub.PublishJobLog(t.Context(), log)))
	require.NoError(t, errOf(pub.PublishDeadLetter(t.Context(), letter)))
	require.Zero(t, status.GetTimestampMs()+log.GetTimestampMs()+letter.GetFailedAtMs(), "on a copy")
	var (
		gotStatus jobspb.JobStatus
		gotLog    jobspb.JobLog
		gotLetter jobspb.DeadLetterTask
	)
	stored(t, srv, "jobs.status", &gotStatus)
	stored(t, srv, "jobs.logs", &gotLog)
	stored(t, srv, "jobs.dlq", &gotLetter)
	for _, at := range []uint64{gotStatus.GetTimestampMs(), gotLog.GetTimestampMs(), gotLetter.GetFailedAtMs()} {
		require.GreaterOrEqual(t, at, begin)
	}
	require.Error(t, errOf(pub.PublishJobStatus(t.Context(), &jobspb.JobStatus{})))
	require.Error(t, errOf(pub.PublishJobLog(t.Context(), &jobspb.JobLog{})))
	require.Error(t, errOf(pub.PublishDeadLetter(t.Context(), &jobspb.DeadLetterTask{})))
}

func TestDeadLetterHasItsOrigin(t *testing.T) {
	t.Parallel()
	pub, srv := publisher(t, func(*config.Config) {})
	require.NoError(t, pub.DeadLetter(t.Context(), topic.Failure[*jobspb.DownloadTask]{Origin: origin, Payload: []byte{0xff}, Code: topic.CodeDecode}))
	var got jobspb.DeadLetterTask
	_, headers := stored(t, srv, "jobs.dlq", &got)
	require.Equal(t, []byte{0xff}, got.GetTask().GetAttributes().GetExtra())
	from, ok := deadletter.OriginOf(headers)
	require.True(t, ok)
	require.Equal(t, origin, from)
}

func TestCompressionAsConfigured(t *testing.T) {
	t.Parallel()
	pub, srv := publisher(t, func(c *config.Config) {
		logs := c.Topics.Declared["logs"]
		logs.Compression, logs.CompressionMinSize = config.CompressionZstd, 1
		c.Topics.Declared["logs"] = logs
	})
	long := &jobspb.JobLog{JobId: "j", Message: string(make([]byte, 10_000))}
	require.NoError(t, errOf(pub.PublishJobLog(t.Context(), long)))
	all := srv.Messages("fetchbox", "jobs.logs")
	require.Len(t, all, 1)
	require.Less(t, len(all[0].Payload), 1000)
}

// errOf returns the error of a call that returns a result as well.
func errOf(_ producer.Result, err error) error { return err }
