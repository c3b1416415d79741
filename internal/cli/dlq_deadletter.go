package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/internal/origin"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// deadLetter is a dead letter as it is stored.
type deadLetter struct {
	message
	letterContent
	// key identifies the failure: copies of a dead letter have the same key.
	key         string
	origin      topic.Origin
	hasOrigin   bool
	code, cause string
	attempts    int
	failedAt    time.Time
	undecoded   bool // its consumer could not decode the message
}

// letterContent is the message of a dead letter, in one of the two formats.
type letterContent interface {
	// job and resource are those of FetchBox's task, empty for any other message.
	job() string
	resource() string
	// lacks is why the message can't be replayed, empty when it can.
	lacks() string
	// destination is the topic to which replay publishes the message.
	destination(jobs.Topics) topicRef
	// replay publishes the message for the n-th time, from 0, and waits until it is confirmed.
	replay(ctx context.Context, r replayer, n int) error
	// describe adds the message to a view.
	describe(v *deadLetterView, d payloadDecoder) error
}

// newDeadLetter is the dead letter that a message of a topic is. It reports false for a message that is
// none.
func newDeadLetter(m message, t topicRef) (deadLetter, bool) {
	if isTaskLetter(m, t) {
		return newTaskLetter(m, t), true
	}
	stored, err := deadletter.Codec().(topic.RawDecoder[deadletter.Letter]).DecodeRaw(m.RawMessage)
	if err != nil {
		return deadLetter{}, false
	}
	l := deadLetter{
		message: m, letterContent: storedLetter{stored}, key: deadletter.Identity(stored.Origin), origin: stored.Origin, hasOrigin: true,
		code: stored.Code, cause: stored.Cause, attempts: stored.Attempts, failedAt: stored.FailedAt, undecoded: stored.Code == topic.CodeDecode,
	}
	if l.failedAt.IsZero() {
		l.failedAt = m.Timestamp
	}
	return l, true
}

// isTaskLetter reports whether a message has the format of FetchBox's dead letters. A dead letter of
// such a message, in the other format, has the headers of both.
func isTaskLetter(m message, t topicRef) bool {
	if t.section == jobs.DeadLetters.Section() {
		return true
	}
	origins := 0
	for _, h := range m.headers {
		if strings.EqualFold(h.Key, origin.HeaderStream) {
			origins++
		}
	}
	return origins < 2 && m.header(topic.HeaderMessageType) == string((*jobspb.DeadLetterTask)(nil).ProtoReflect().Descriptor().FullName())
}

// unfit is why the message is not replayed; empty when it can be. With undecoded, messages that could
// not be decoded are replayed, too.
func (l deadLetter) unfit(undecoded bool) string {
	switch {
	case l.lacks() != "":
		return l.lacks()
	case l.undecoded && !undecoded:
		return "its message could not be decoded; --undecoded replays it unchanged"
	}
	return ""
}

// storedLetter is the content of a dead letter that package deadletter has written.
type storedLetter struct{ letter deadletter.Letter }

func (s storedLetter) job() string      { return "" }
func (s storedLetter) resource() string { return "" }
func (s storedLetter) lacks() string    { return s.letter.Incomplete }

func (s storedLetter) destination(jobs.Topics) topicRef {
	return topicRef{stream: s.letter.Message.Stream, name: s.letter.Message.Topic}
}

func (s storedLetter) replay(ctx context.Context, r replayer, n int) error {
	s.letter.Message.ByKey = r.ignorePartition
	return deadletter.Replay(ctx, r.producer, s.letter, n)
}

func (s storedLetter) describe(v *deadLetterView, d payloadDecoder) error {
	m := newMessage(s.letter.Message)
	payload, fault := d.decode(m)
	view, err := newMessageView(m, payload, fault)
	v.Message = &view
	return err
}

// deadLetterView is a dead letter in JSON.
type deadLetterView struct {
	Position   string      `json:"position"`
	ID         string      `json:"id"`
	State      string      `json:"state"`
	StateSince *time.Time  `json:"state_since,omitempty"`
	FailedAt   time.Time   `json:"failed_at"`
	JobID      string      `json:"job_id,omitempty"`
	ResourceID string      `json:"resource_id,omitempty"`
	Code       string      `json:"code"`
	Cause      string      `json:"cause"`
	Attempts   int         `json:"attempts"`
	Origin     *originView `json:"origin,omitempty"`
	Replays    int         `json:"replays,omitempty"`
	Unfit      string      `json:"unfit,omitempty"`
	// Headers are those of the dead letter. Message is its message, and Letter FetchBox's dead letter.
	Headers headerList      `json:"headers,omitempty"`
	Message *messageView    `json:"message,omitempty"`
	Letter  json.RawMessage `json:"letter,omitempty"`
	History []mark          `json:"history,omitempty"`
}

type originView struct {
	Stream    string    `json:"stream"`
	Topic     string    `json:"topic"`
	Partition uint32    `json:"partition"`
	Offset    uint64    `json:"offset"`
	ID        string    `json:"id"`
	Group     string    `json:"group,omitempty"`
	Timestamp time.Time `json:"timestamp"`
}

func (l deadLetter) view(s deadLetterState) deadLetterView {
	v := deadLetterView{
		Position: l.position(), ID: uuid.UUID(l.ID).String(), State: s.at(time.Now()), FailedAt: l.failedAt.UTC(),
		JobID: l.job(), ResourceID: l.resource(), Code: l.code, Cause: l.cause, Attempts: l.attempts,
		Replays: s.replays, Unfit: l.unfit(false),
	}
	if !s.since.IsZero() {
		v.StateSince = &s.since
	}
	if o := l.origin; l.hasOrigin {
		v.Origin = &originView{o.Stream, o.Topic, o.Partition, o.Offset, uuid.UUID(o.ID).String(), o.Group, o.Timestamp}
	}
	return v
}

// row adds the dead letter to a table with the columns of letterColumns, and more cells.
func (l deadLetter) row(t *table, more ...any) {
	origin := ""
	if l.job() == "" && l.hasOrigin {
		origin = fmt.Sprintf("%s/%d/%d", topicRef{stream: l.origin.Stream, name: l.origin.Topic}, l.origin.Partition, l.origin.Offset)
	}
	t.row(append([]any{
		l.position(), shortTime(l.failedAt), printable(l.job()), printable(l.resource()), printable(origin), cell{printable(l.code), red},
	}, more...)...)
}

// letterColumns are the columns of deadLetter.row. Those without content are left out.
func letterColumns(more ...string) []string {
	return append([]string{"position", "failed at", "job", "resource", "origin", "code"}, more...)
}
