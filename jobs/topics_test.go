package jobs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The topics of the package are those of the default configuration.
func TestTopicsMatchTheDefaultConfiguration(t *testing.T) {
	t.Parallel()
	got := jobs.FromConfig(jobs.DefaultCluster().Topics)
	for _, tt := range []struct {
		name      string
		is, fixed interface {
			String() string
			Settings() topic.Settings
		}
		place string
	}{
		{"tasks", got.Tasks, jobs.Tasks, "fetchbox/jobs.tasks"},
		{"status", got.Status, jobs.Status, "fetchbox/jobs.status"},
		{"logs", got.Logs, jobs.Logs, "fetchbox/jobs.logs"},
		{"dlq", got.DeadLetters, jobs.DeadLetters, "fetchbox/jobs.dlq"},
	} {
		require.Equal(t, tt.place, tt.is.String(), tt.name)
		require.Equal(t, tt.place, tt.fixed.String(), tt.name)
		require.Equal(t, tt.fixed.Settings(), tt.is.Settings(), tt.name)
	}
}

// inStream returns the default configuration with all topics in another stream.
func inStream(stream string) config.Cluster {
	c := jobs.DefaultCluster()
	for name, t := range c.Topics.Declared {
		t.Stream = stream
		c.Topics.Declared[name] = t
	}
	return c
}

func TestFromConfig(t *testing.T) {
	t.Parallel()
	cfg := inStream("eu").Topics
	cfg.Declared["tasks"] = config.Topic{
		Stream: "eu", Name: "tasks", Partitions: 3, Retention: config.RetentionForever, MaxSize: 2 << 30,
		Compression: config.CompressionGzip, CompressionMinSize: 7,
	}
	got := jobs.FromConfig(cfg)
	require.Equal(t, "eu/tasks", got.Tasks.String())
	require.Equal(t, topic.Settings{Partitions: 3, Retention: topic.RetentionForever, MaxSize: 2 << 30}, got.Tasks.Settings())
	compression, minSize := got.Tasks.Compression()
	require.Equal(t, config.CompressionGzip, compression)
	require.Equal(t, config.Bytes(7), minSize)
	require.Equal(t, "eu/jobs.dlq", got.DeadLetters.String())
	require.Equal(t, topic.Settings{Partitions: 2, Retention: 90 * 24 * time.Hour}, got.DeadLetters.Settings())
	require.Equal(t, "fetchbox/jobs.tasks", jobs.Tasks.String(), "the package's topic stays where it is")
	require.Equal(t, "fetchbox/jobs.tasks", jobs.FromConfig(config.Topics{}).Tasks.String(), "without sections, the defaults")
}

func TestByResource(t *testing.T) {
	t.Parallel()
	topics := jobs.FromConfig(jobs.DefaultCluster().Topics).KeyTasksBy(jobs.ByResource)
	require.Equal(t, "j/r", topics.Tasks.KeyOf(&jobspb.DownloadTask{JobId: "j", ResourceId: "r"}))
	long := func(end string) string {
		return topics.Tasks.KeyOf(&jobspb.DownloadTask{JobId: "j", ResourceId: strings.Repeat("r", 300) + end})
	}
	require.LessOrEqual(t, len(long("")), 255)
	require.NotEqual(t, long("1"), long("2"), "long ids keep different keys")
	require.Equal(t, "j", jobs.Tasks.KeyOf(&jobspb.DownloadTask{JobId: "j", ResourceId: "r"}))
}

func TestKeysOfMessages(t *testing.T) {
	t.Parallel()
	require.Equal(t, "j", jobs.Tasks.KeyOf(&jobspb.DownloadTask{JobId: "j"}))
	require.Equal(t, "j", jobs.Status.KeyOf(&jobspb.JobStatus{JobId: "j"}))
	require.Equal(t, "j", jobs.Logs.KeyOf(&jobspb.JobLog{JobId: "j"}))
	require.Equal(t, "j", jobs.DeadLetters.KeyOf(&jobspb.DeadLetterTask{Task: &jobspb.DownloadTask{JobId: "j"}}))
	require.Empty(t, jobs.DeadLetters.KeyOf(&jobspb.DeadLetterTask{Task: &jobspb.DownloadTask{JobId: strings.Repeat("j", 256)}}),
		"a job id that is too long for a key must not keep its dead letter from being published")
}
