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

// FetchBox's four topics with their default places and settings. Their key is the job id, so that
// all messages of a job stay in order. FromConfig returns them as configured.
var (
	// Tasks is jobs.tasks: a message for each resource to fetch. The API and other producers write
	// it, and the group workers reads it.
	Tasks = topic.New("fetchbox", "jobs.tasks", topic.Proto[*jobspb.DownloadTask](),
		topic.Key((*jobspb.DownloadTask).GetJobId),
		topic.Section[*jobspb.DownloadTask]("tasks"),
		topic.WithSettings[*jobspb.DownloadTask](topic.Settings{Partitions: 8, Retention: 7 * day}))

	// Status is jobs.status: the states of jobs over time. The API and the workers write it, and
	// the group operators reads it.
	Status = topic.New("fetchbox", "jobs.status", topic.Proto[*jobspb.JobStatus](),
		topic.Key((*jobspb.JobStatus).GetJobId),
		topic.Section[*jobspb.JobStatus]("status"),
		topic.WithSettings[*jobspb.JobStatus](topic.Settings{Partitions: 4, Retention: 14 * day}))

	// Logs is jobs.logs: the logs of jobs. The workers write it, and the group operators reads it.
	Logs = topic.New("fetchbox", "jobs.logs", topic.Proto[*jobspb.JobLog](),
		topic.Key((*jobspb.JobLog).GetJobId),
		topic.Section[*jobspb.JobLog]("logs"),
		topic.WithSettings[*jobspb.JobLog](topic.Settings{Partitions: 4, Retention: 30 * day}))

	// DeadLetters is jobs.dlq: the tasks that failed for good. The workers write it, and the group
	// operators reads it. A message has no key when its task could not be decoded, or when its job
	// id is too long for one.
	DeadLetters = topic.New("fetchbox", "jobs.dlq", topic.Proto[*jobspb.DeadLetterTask](),
		topic.Key(deadLetterKey),
		topic.Section[*jobspb.DeadLetterTask]("dlq"),
		topic.WithSettings[*jobspb.DeadLetterTask](topic.Settings{Partitions: 2, Retention: 90 * day}))
)

// Topics are the four topics with the places and settings of an installation.
type Topics struct {
	Tasks       topic.Topic[*jobspb.DownloadTask]
	Status      topic.Topic[*jobspb.JobStatus]
	Logs        topic.Topic[*jobspb.JobLog]
	DeadLetters topic.Topic[*jobspb.DeadLetterTask]
}

// FromConfig returns the four topics as configured: their streams, names, partitions, retentions,
// sizes and compression. A topic without a section has its defaults. FromConfig panics for a name of
// more than 255 bytes, which config.Config.Validate refuses.
func FromConfig(cfg config.Topics) Topics {
	return Topics{
		Tasks:       Tasks.Configured(cfg),
		Status:      Status.Configured(cfg),
		Logs:        Logs.Configured(cfg),
		DeadLetters: DeadLetters.Configured(cfg),
	}
}

// KeyTasksBy returns the topics with another key for tasks, ByResource for example. Publishers and
// workers need the same one, since the key is not stored: both compute it from the task.
func (t Topics) KeyTasksBy(key func(*jobspb.DownloadTask) string) Topics {
	t.Tasks = t.Tasks.With(topic.Key(key))
	return t
}

// ByResource returns a key that differs for each resource. With it, the tasks of a job are on all
// partitions and are handled concurrently. With the job id as key, they are handled one after
// another.
func ByResource(task *jobspb.DownloadTask) string {
	key := task.GetJobId() + "/" + task.GetResourceId()
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:])
	}
	return key
}

func deadLetterKey(letter *jobspb.DeadLetterTask) string {
	if id := letter.GetTask().GetJobId(); len(id) <= maxKey {
		return id
	}
	return ""
}
