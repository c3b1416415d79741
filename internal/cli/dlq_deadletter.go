package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// deadLetter is a dead letter as it is stored.
type deadLetter struct {
	message
	// key identifies the failure: copies of a dead letter have the same key.
	key       string
	value     *jobspb.DeadLetterTask // empty when decodeErr is set
	origin    topic.Origin
	hasOrigin bool
	decodeErr error
}

func newDeadLetter(m message) deadLetter {
	l := deadLetter{message: m}
	if l.value, l.decodeErr = decode(jobs.DeadLetters.Codec(), m); l.decodeErr != nil {
		l.value = &jobspb.DeadLetterTask{}
	}
	if l.origin, l.hasOrigin = deadletter.OriginOf(m.headers); l.hasOrigin {
		l.key = deadletter.Identity(l.origin)
	} else {
		l.key = fmt.Sprintf("%s/%x", m.position(), m.id)
	}
	return l
}

// task is the task that failed, nil when the dead letter holds none.
func (l deadLetter) task() *jobspb.DownloadTask { return l.value.GetTask() }

// unfit is why the task can't be replayed; empty when it can. With undecoded, messages that could
// not be decoded are replayed, too.
func (l deadLetter) unfit(undecoded bool) string {
	_, _, isUndecoded := jobs.PayloadOf(l.value, l.headers)
	task := l.task()
	switch {
	case l.decodeErr != nil:
		return "the letter can't be decoded: " + oneLine(l.decodeErr.Error())
	case task == nil:
		return "the letter holds no task"
	case isUndecoded && undecoded:
		return ""
	case isUndecoded:
		return "its message could not be decoded; --undecoded replays it unchanged"
	case proto.Equal(task, &jobspb.DownloadTask{Attributes: &jobspb.TaskAttributes{Extra: task.GetAttributes().GetExtra()}}):
		return "its message was too long to be kept whole"
	}
	return ""
}

// storedKey is the partition key that is stored with the task; empty when its topic stores none.
func (l deadLetter) storedKey() string {
	for _, h := range l.headers {
		if h.Key == topic.HeaderPartitionKey {
			return h.Value
		}
	}
	return ""
}

func (l deadLetter) failedAt() time.Time { return fromMillis(l.value.GetFailedAtMs(), l.timestamp) }

// deadLetterView is a dead letter in JSON.
type deadLetterView struct {
	Position   string          `json:"position"`
	ID         string          `json:"id"`
	State      string          `json:"state"`
	StateSince *time.Time      `json:"state_since,omitempty"`
	FailedAt   time.Time       `json:"failed_at"`
	JobID      string          `json:"job_id,omitempty"`
	ResourceID string          `json:"resource_id,omitempty"`
	Code       string          `json:"code"`
	Message    string          `json:"message"`
	Attempts   uint32          `json:"attempts"`
	Origin     *originView     `json:"origin,omitempty"`
	Replays    int             `json:"replays,omitempty"`
	Unfit      string          `json:"unfit,omitempty"`
	Headers    []headerView    `json:"headers,omitempty"`
	Letter     json.RawMessage `json:"letter,omitempty"`
	History    []mark          `json:"history,omitempty"`
}

type headerView struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type originView struct {
	Stream    string `json:"stream"`
	Topic     string `json:"topic"`
	Partition uint32 `json:"partition"`
	Offset    uint64 `json:"offset"`
	ID        string `json:"id"`
	Group     string `json:"group,omitempty"`
}

func (l deadLetter) view(s deadLetterState) deadLetterView {
	v := deadLetterView{
		Position: l.position(), ID: uuid.UUID(l.id).String(), State: s.at(time.Now()), FailedAt: l.failedAt().UTC(),
		JobID: l.task().GetJobId(), ResourceID: l.task().GetResourceId(),
		Code: l.value.GetFailureCode(), Message: l.value.GetFailureMessage(), Attempts: l.value.GetAttempts(),
		Replays: s.replays, Unfit: l.unfit(false),
	}
	if !s.since.IsZero() {
		v.StateSince = &s.since
	}
	if l.hasOrigin {
		v.Origin = &originView{
			l.origin.Stream, l.origin.Topic, l.origin.Partition, l.origin.Offset, uuid.UUID(l.origin.ID).String(), l.origin.Group,
		}
	}
	return v
}

// eachDeadLetter calls fn for the dead letters that the filter selects, oldest first, once each. It
// fails when the job of the filter has no dead letter in any state.
func (a *app) eachDeadLetter(ctx context.Context, cluster config.Cluster, marks *marks, f deadLetterFilter, fn func(deadLetter, deadLetterState) error) error {
	letters := jobs.DeadLetters.Configured(cluster.Topics)
	r, err := a.openReader(ctx, cluster, topicRef{stream: letters.Stream(), name: letters.Name()}, readOptions{start: f.startPosition()})
	if err != nil {
		return err
	}
	defer r.close(ctx)
	seen := map[string]bool{}
	jobFound := f.job == ""
	err = r.readToEnd(ctx, func(m message) error {
		l := newDeadLetter(m)
		jobFound = jobFound || l.task().GetJobId() == f.job
		if seen[l.key] {
			return nil
		}
		seen[l.key] = true
		state := marks.state(l.key)
		if !f.matches(l, state) {
			return nil
		}
		return fn(l, state)
	})
	if err == nil && !jobFound {
		return fmt.Errorf("there is no dead letter of job %q", f.job)
	}
	return err
}
