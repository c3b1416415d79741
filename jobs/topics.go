package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

const day = 24 * time.Hour

// FetchBox's four topics in the stream fetchbox, with the settings that they
// are created with. Their key is the job id, so that all messages of a job stay
// in order. Topics places them elsewhere, as configured.
var (
	// Tasks is jobs.tasks: one resource to fetch. Written by the API and direct
	// producers, read by the group workers.
	Tasks = topic.New("fetchbox", "jobs.tasks", topic.Proto[*jobspb.DownloadTask](),
		topic.Key((*jobspb.DownloadTask).GetJobId),
		topic.WithSettings[*jobspb.DownloadTask](topic.Settings{Partitions: 8, Retention: 7 * day}))

	// Status is jobs.status: the state of a job at a time. Written by the API and
	// the workers, read by the group operators.
	Status = topic.New("fetchbox", "jobs.status", topic.Proto[*jobspb.JobStatus](),
		topic.Key((*jobspb.JobStatus).GetJobId),
		topic.WithSettings[*jobspb.JobStatus](topic.Settings{Partitions: 4, Retention: 14 * day}))

	// Logs is jobs.logs: what happened in a job. Written by the workers, read by
	// the group operators.
	Logs = topic.New("fetchbox", "jobs.logs", topic.Proto[*jobspb.JobLog](),
		topic.Key((*jobspb.JobLog).GetJobId),
		topic.WithSettings[*jobspb.JobLog](topic.Settings{Partitions: 4, Retention: 30 * day}))

	// DeadLetters is jobs.dlq: the tasks that were given up. Written by the
	// workers, read by the group operators. A message whose task could not be
	// decoded has no key, like one whose job id is too long for a key.
	DeadLetters = topic.New("fetchbox", "jobs.dlq", topic.Proto[*jobspb.DeadLetterTask](),
		topic.Key(deadLetterKey),
		topic.WithSettings[*jobspb.DeadLetterTask](topic.Settings{Partitions: 2, Retention: 90 * day}))
)

// Topics are the four topics where an installation has them.
type Topics struct {
	Tasks       topic.Topic[*jobspb.DownloadTask]
	Status      topic.Topic[*jobspb.JobStatus]
	Logs        topic.Topic[*jobspb.JobLog]
	DeadLetters topic.Topic[*jobspb.DeadLetterTask]
}

// FromConfig places the four topics in the configured stream, under the
// configured names and with the configured partitions, retention and size. It
// panics for a name of more than 255 bytes, which config.Config.Validate refuses.
func FromConfig(cfg config.Topics) Topics {
	return Topics{
		Tasks:       placed(Tasks, cfg.Stream, cfg.Tasks),
		Status:      placed(Status, cfg.Stream, cfg.Status),
		Logs:        placed(Logs, cfg.Stream, cfg.Logs),
		DeadLetters: placed(DeadLetters, cfg.Stream, cfg.DLQ),
	}
}

// KeyTasksBy is the same topics with another key for tasks, ByResource for
// example. Publishers and workers must both have it: the key is not stored, each of them takes it from the task.
func (t Topics) KeyTasksBy(key func(*jobspb.DownloadTask) string) Topics {
	t.Tasks = t.Tasks.With(topic.Key(key))
	return t
}

// ByResource is a key for tasks, different for each resource: the tasks of one
// job are then spread over all partitions and done side by side, where the
// job id as key has them done one after another.
func ByResource(task *jobspb.DownloadTask) string {
	key := task.GetJobId() + "/" + task.GetResourceId()
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:])
	}
	return key
}

func placed[T any](t topic.Topic[T], stream string, cfg config.Topic) topic.Topic[T] {
	return t.At(stream, cfg.Name).With(topic.WithSettings[T](topic.Settings{
		Partitions: cfg.Partitions,
		Retention:  cfg.Retention.Duration(),
		MaxBytes:   uint64(max(cfg.MaxSize, 0)),
	}))
}

func deadLetterKey(letter *jobspb.DeadLetterTask) string {
	if id := letter.GetTask().GetJobId(); len(id) <= maxKey {
		return id
	}
	return ""
}
