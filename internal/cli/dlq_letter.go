package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// letter is a dead letter as it is stored.
type letter struct {
	message
	// key is the same for copies of a letter, and different for every failure.
	key       string
	task      *jobspb.DeadLetterTask // empty when it could not be decoded
	origin    topic.Origin
	hasOrigin bool
	broken    error
}

func newLetter(rec message) letter {
	l := letter{message: rec}
	if l.task, l.broken = decode(jobs.DeadLetters.Codec(), rec); l.broken != nil {
		l.task = &jobspb.DeadLetterTask{}
	}
	if l.origin, l.hasOrigin = jobs.OriginOf(rec.headers); l.hasOrigin {
		l.key = fmt.Sprintf("%s/%s/%d/%d/%x", l.origin.Stream, l.origin.Topic, l.origin.Partition, l.origin.Offset, l.origin.ID)
	} else {
		l.key = fmt.Sprintf("%s/%x", rec.position(), rec.id)
	}
	return l
}

// unfit is why the letter's task can't be put back; empty when it can. undecoded tells
// that messages are put back which could not be decoded, too.
func (l letter) unfit(undecoded bool) string {
	_, _, isUndecoded := jobs.UndecodedOf(l.task, l.headers)
	task := l.task.GetTask()
	switch {
	case l.broken != nil:
		return "the letter can't be decoded: " + oneLine(l.broken.Error())
	case task == nil:
		return "the letter holds no task"
	case isUndecoded && undecoded:
		return ""
	case isUndecoded:
		return "its message could not be decoded; --undecoded puts it back as it was"
	case proto.Equal(task, &jobspb.DownloadTask{Attributes: &jobspb.TaskAttributes{Extra: task.GetAttributes().GetExtra()}}):
		return "its message was too long to be kept whole"
	}
	return ""
}

func (l letter) failedAt() time.Time { return fromMillis(l.task.GetFailedAtMs(), l.timestamp) }

// letterView is a letter in JSON.
type letterView struct {
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

func (l letter) view(s letterState) letterView {
	v := letterView{
		Position: l.position(), ID: uuid.UUID(l.id).String(), State: s.shown(time.Now()), FailedAt: l.failedAt().UTC(),
		JobID: l.task.GetTask().GetJobId(), ResourceID: l.task.GetTask().GetResourceId(),
		Code: l.task.GetFailureCode(), Message: l.task.GetFailureMessage(), Attempts: l.task.GetAttempts(),
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
