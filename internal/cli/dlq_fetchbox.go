package cli

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// taskLetter is the content of one of FetchBox's dead letters.
type taskLetter struct {
	key       string
	position  string // TOPIC/PARTITION/OFFSET
	headers   []topic.Header
	origin    *topic.Origin          // nil when the headers don't have it
	value     *jobspb.DeadLetterTask // empty when decodeErr is set
	decodeErr error
}

func newTaskLetter(m message, t topicRef) deadLetter {
	c := taskLetter{position: t.name + "/" + m.position(), headers: m.headers}
	if c.value, c.decodeErr = decode(jobs.DeadLetters.Codec(), m); c.decodeErr != nil {
		c.value = &jobspb.DeadLetterTask{}
	}
	l := deadLetter{
		message: m, code: c.value.GetFailureCode(), cause: c.value.GetFailureMessage(), attempts: int(c.value.GetAttempts()),
		failedAt: jobs.Time(c.value.GetFailedAtMs(), m.Timestamp),
	}
	_, _, l.undecoded = jobs.PayloadOf(c.value, m.headers)
	if l.origin, l.hasOrigin = deadletter.OriginOf(m.headers); l.hasOrigin {
		c.key, c.origin = deadletter.Identity(l.origin), &l.origin
	} else {
		c.key = fmt.Sprintf("%s/%x", m.position(), m.ID)
	}
	l.key, l.letterContent = c.key, c
	return l
}

// task is the task that failed, nil when the dead letter holds none.
func (c taskLetter) task() *jobspb.DownloadTask { return c.value.GetTask() }

func (c taskLetter) job() string      { return c.task().GetJobId() }
func (c taskLetter) resource() string { return c.task().GetResourceId() }

func (c taskLetter) lacks() string {
	_, _, isUndecoded := jobs.PayloadOf(c.value, c.headers)
	task := c.task()
	switch {
	case c.decodeErr != nil:
		return "the letter can't be decoded: " + oneLine(c.decodeErr.Error())
	case task == nil:
		return "the letter holds no task"
	case !isUndecoded && proto.Equal(task, &jobspb.DownloadTask{Attributes: &jobspb.TaskAttributes{Extra: task.GetAttributes().GetExtra()}}):
		return "its message was too long to be kept whole"
	}
	return ""
}

func (c taskLetter) destination(topics jobs.Topics) topicRef {
	return topicRef{stream: topics.Tasks.Stream(), name: topics.Tasks.Name()}
}

// replay publishes the task, or the payload that could not be decoded, with the headers that it had.
func (c taskLetter) replay(ctx context.Context, r replayer, n int) error {
	own := slices.DeleteFunc(jobs.OwnHeaders(c.headers), func(h topic.Header) bool { return h.Key == topic.HeaderReplayOf })
	own = append(own, topic.Header{Key: topic.HeaderReplayOf, Value: c.position})
	id := deadletter.ReplayID(c.key, n)
	key := topic.HeadersOf(c.headers...).Get(topic.HeaderPartitionKey) // empty when its topic stores none
	if payload, headers, ok := jobs.PayloadOf(c.value, c.headers); ok {
		m := producer.Message{
			Stream: r.topics.Tasks.Stream(), Topic: r.topics.Tasks.Name(), ID: id, Key: key, Payload: payload, Headers: append(headers, own...),
		}
		if key == "" && c.origin != nil && !r.ignorePartition {
			m.Partition = producer.OnPartition(c.origin.Partition)
		}
		_, err := r.producer.Send(ctx, m)
		return err
	}
	opts := []producer.PublishOption{producer.WithID(id), producer.WithHeaders(own...)}
	switch {
	case key != "":
		opts = append(opts, producer.WithKey(key))
	case c.origin != nil && !r.ignorePartition:
		opts = append(opts, producer.WithPartition(c.origin.Partition))
	}
	_, err := r.tasks.Publish(ctx, proto.CloneOf(c.task()), opts...)
	return err
}

func (c taskLetter) describe(v *deadLetterView, _ payloadDecoder) error {
	line, err := protoJSON(c.value, nil)
	v.Letter = line
	return err
}
