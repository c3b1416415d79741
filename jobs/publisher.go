package jobs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Publisher publishes FetchBox's messages. Each method returns when the server has confirmed the
// message, with where it is stored, or an error; ctx limits the wait. Messages are validated first.
// They are not changed: header names are converted to lower case, and missing times are set, on a
// copy.
//
// All methods are safe for concurrent use. A Publisher needs no start and stop: it works while its
// producer does, and the producer's flush includes its messages.
type Publisher struct {
	tasks   *producer.Publisher[*jobspb.DownloadTask]
	status  *producer.Publisher[*jobspb.JobStatus]
	logs    *producer.Publisher[*jobspb.JobLog]
	letters *producer.Publisher[*jobspb.DeadLetterTask]
}

// NewPublisher returns a publisher that sends through p to the given topics, FromConfig(cfg) for
// example. It does no I/O.
func NewPublisher(p *producer.Producer, topics Topics) *Publisher {
	return PublisherOf(producer.For(p, topics.Tasks), producer.For(p, topics.Status), producer.For(p, topics.Logs), producer.For(p, topics.DeadLetters))
}

// PublisherOf returns a publisher that sends by those of the four topics.
func PublisherOf(
	tasks *producer.Publisher[*jobspb.DownloadTask], status *producer.Publisher[*jobspb.JobStatus],
	logs *producer.Publisher[*jobspb.JobLog], letters *producer.Publisher[*jobspb.DeadLetterTask],
) *Publisher {
	return &Publisher{tasks: tasks, status: status, logs: logs, letters: letters}
}

// PublishDownloadTask publishes one task. Its key is computed by the topic's function; by default
// it is the job id. Workers handle tasks of one key one after another, and tasks of different keys
// concurrently. For another key, use Topics.KeyTasksBy on both sides: producer.WithKey only changes
// the partition. A task for which ValidateTask returns an error is not published.
func (p *Publisher) PublishDownloadTask(ctx context.Context, task *jobspb.DownloadTask, opts ...producer.PublishOption) (producer.Result, error) {
	if err := ValidateTask(task); err != nil {
		return refused(err)
	}
	return p.tasks.Publish(ctx, withLowerCaseHeaders(task), opts...)
}

// PublishDownloadTasks publishes tasks in batches, and returns when each of them has its outcome.
// When ValidateTask returns an error for one of them, none is published, and the error has its
// index, from 0. Otherwise the error joins those of the tasks that were not confirmed.
func (p *Publisher) PublishDownloadTasks(ctx context.Context, tasks []*jobspb.DownloadTask, opts ...producer.PublishOption) error {
	out := make([]*jobspb.DownloadTask, len(tasks))
	for i, task := range tasks {
		if err := ValidateTask(task); err != nil {
			return fmt.Errorf("task %d: %w", i, err)
		}
		out[i] = withLowerCaseHeaders(task)
	}
	return p.tasks.PublishAll(ctx, out, opts...)
}

// PublishJobStatus publishes the state of a job. A missing timestamp_ms is set to the present time.
func (p *Publisher) PublishJobStatus(ctx context.Context, status *jobspb.JobStatus, opts ...producer.PublishOption) (producer.Result, error) {
	if err := ValidateStatus(status); err != nil {
		return refused(err)
	}
	if status.GetTimestampMs() == 0 {
		status = proto.CloneOf(status)
		status.TimestampMs = nowMs()
	}
	return p.status.Publish(ctx, status, opts...)
}

// PublishJobLog publishes a log entry of a job. A missing timestamp_ms is set to the present time.
func (p *Publisher) PublishJobLog(ctx context.Context, log *jobspb.JobLog, opts ...producer.PublishOption) (producer.Result, error) {
	if err := ValidateLog(log); err != nil {
		return refused(err)
	}
	if log.GetTimestampMs() == 0 {
		log = proto.CloneOf(log)
		log.TimestampMs = nowMs()
	}
	return p.logs.Publish(ctx, log, opts...)
}

// PublishDeadLetter publishes a dead letter. A missing failed_at_ms is set to the present time.
func (p *Publisher) PublishDeadLetter(ctx context.Context, letter *jobspb.DeadLetterTask, opts ...producer.PublishOption) (producer.Result, error) {
	if err := ValidateDeadLetter(letter); err != nil {
		return refused(err)
	}
	if letter.GetFailedAtMs() == 0 {
		letter = proto.CloneOf(letter)
		letter.FailedAtMs = nowMs()
	}
	return p.letters.Publish(ctx, letter, opts...)
}

// DeadLetter publishes the dead letter of a task; see NewDeadLetter. It makes the Publisher the
// consumer.DeadLetters of a consumer of tasks.
func (p *Publisher) DeadLetter(ctx context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	letter, headers := NewDeadLetter(f, time.Now())
	_, err := p.PublishDeadLetter(ctx, letter, producer.WithHeaders(headers...))
	return err
}

// refused is the result of a message that is not valid.
func refused(err error) (producer.Result, error) {
	return producer.Result{Outcome: producer.Failed, Err: err}, err
}

// withLowerCaseHeaders returns task, or a copy of it, with the names of its headers in lower case.
func withLowerCaseHeaders(task *jobspb.DownloadTask) *jobspb.DownloadTask {
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
