package jobs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Publisher publishes FetchBox's messages. Each method returns when the server
// has confirmed the message, or with the one error that tells why not; ctx
// bounds the wait. Messages are checked first and never changed: header names
// are made lower case, and missing times are filled in, on a copy.
//
// All methods are safe for concurrent use. The Publisher has no life of its
// own: it works while its producer does, and its producer's flush covers it.
type Publisher struct {
	tasks   *producer.Publisher[*jobspb.DownloadTask]
	status  *producer.Publisher[*jobspb.JobStatus]
	logs    *producer.Publisher[*jobspb.JobLog]
	letters *producer.Publisher[*jobspb.DeadLetterTask]
}

// NewPublisher makes a publisher that sends through p to the given topics,
// mostly FromConfig(cfg). It does no I/O.
func NewPublisher(p *producer.Producer, topics Topics) *Publisher {
	return &Publisher{
		tasks:   producer.For(p, topics.Tasks),
		status:  producer.For(p, topics.Status),
		logs:    producer.For(p, topics.Logs),
		letters: producer.For(p, topics.DeadLetters),
	}
}

// Compression are the options that make a producer compress the messages of the
// four topics as cfg says.
func Compression(cfg config.Topics) []producer.Option {
	compress := func(t config.Topic) producer.Option {
		return producer.WithCompression(cfg.Stream, t.Name, t.Compression, t.CompressionMinSize)
	}
	return []producer.Option{compress(cfg.Tasks), compress(cfg.Status), compress(cfg.Logs), compress(cfg.DLQ)}
}

// PublishDownloadTask publishes one task. Its key is that of the topic, the
// job id mostly: tasks of one key are done one after another,
// those of different keys side by side. Producer.WithKey changes the partition only, since a worker takes the key from its
// own topic: for another key give both ends the same Topics.KeyTasksBy. A task that breaks a rule of
// ValidateTask is refused.
func (p *Publisher) PublishDownloadTask(ctx context.Context, task *jobspb.DownloadTask, opts ...producer.PublishOption) error {
	if err := ValidateTask(task); err != nil {
		return err
	}
	return p.tasks.Publish(ctx, lowered(task), opts...)
}

// PublishDownloadTasks publishes many tasks, batched, and returns when each has its
// outcome. Nothing is sent unless all of them pass ValidateTask; an error then names
// the place of each bad one, from 0. Otherwise the error holds those of the tasks that were
// not confirmed.
func (p *Publisher) PublishDownloadTasks(ctx context.Context, tasks []*jobspb.DownloadTask, opts ...producer.PublishOption) error {
	out := make([]*jobspb.DownloadTask, len(tasks))
	for i, task := range tasks {
		if err := ValidateTask(task); err != nil {
			return fmt.Errorf("task %d: %w", i, err)
		}
		out[i] = lowered(task)
	}
	return p.tasks.PublishAll(ctx, out, opts...)
}

// PublishJobStatus publishes the state of a job. A missing timestamp_ms is now.
func (p *Publisher) PublishJobStatus(ctx context.Context, status *jobspb.JobStatus, opts ...producer.PublishOption) error {
	if err := ValidateStatus(status); err != nil {
		return err
	}
	if status.GetTimestampMs() == 0 {
		status = proto.CloneOf(status)
		status.TimestampMs = nowMs()
	}
	return p.status.Publish(ctx, status, opts...)
}

// PublishJobLog publishes a log entry of a job. A missing timestamp_ms is now.
func (p *Publisher) PublishJobLog(ctx context.Context, log *jobspb.JobLog, opts ...producer.PublishOption) error {
	if err := ValidateLog(log); err != nil {
		return err
	}
	if log.GetTimestampMs() == 0 {
		log = proto.CloneOf(log)
		log.TimestampMs = nowMs()
	}
	return p.logs.Publish(ctx, log, opts...)
}

// PublishDeadLetter publishes a dead letter. A missing failed_at_ms is now.
func (p *Publisher) PublishDeadLetter(ctx context.Context, letter *jobspb.DeadLetterTask, opts ...producer.PublishOption) error {
	if err := ValidateDeadLetter(letter); err != nil {
		return err
	}
	if letter.GetFailedAtMs() == 0 {
		letter = proto.CloneOf(letter)
		letter.FailedAtMs = nowMs()
	}
	return p.letters.Publish(ctx, letter, opts...)
}

// DeadLetter publishes the dead letter of a task that a consumer gave up; see
// NewDeadLetter. It makes the Publisher the sink for dead letters of a consumer of tasks.
func (p *Publisher) DeadLetter(ctx context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	letter, headers := NewDeadLetter(f, time.Now())
	return p.PublishDeadLetter(ctx, letter, producer.WithHeaders(headers...))
}

// lowered is task with the names of its headers in lower case.
func lowered(task *jobspb.DownloadTask) *jobspb.DownloadTask {
	for _, h := range task.GetHeaders() {
		if h.GetName() == strings.ToLower(h.GetName()) {
			continue
		}
		task = proto.CloneOf(task)
		for _, h := range task.Headers {
			h.Name = strings.ToLower(h.GetName())
		}
		break
	}
	return task
}

func nowMs() uint64 { return uint64(time.Now().UnixMilli()) }
