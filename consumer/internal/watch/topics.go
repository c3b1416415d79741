package watch

import (
	"context"
	"sync"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Process are the topics that the consumers of this process wait for.
var Process Topics

// Topics are watched topics. A topic is watched while it has a member. The zero value has none. Its
// methods are safe for concurrent use.
type Topics struct {
	mu     sync.Mutex
	topics map[Key]*topic
}

// Key names a topic. Topics with equal keys are one.
type Key struct {
	// Server identifies the server and the login: what one reader sees there, all others see.
	Server        any
	Stream, Topic string
}

// Intervals are the least and the longest interval of looks. The lowest ones of a topic's members
// apply.
type Intervals struct{ Min, Max time.Duration }

// Reader waits for messages of a topic. Its functions must be safe for concurrent use. They are
// called under no lock, and not after Run.
type Reader struct {
	// Waiting returns nil when the reader does not wait for messages. Otherwise it returns a function
	// that is called with the answer to a look that began later. It reports whether there is
	// something to read.
	Waiting func() Compare
	// Look reads the topic from the server.
	Look func() (transport.Topic, error)
}

// Compare compares what is waited for with what a look returned: a topic, or the server's refusal.
type Compare func(meta transport.Topic, refused error) (more bool)

// Join makes r a member of a topic until the end of Member.Run, which the caller has to call.
func (t *Topics) Join(k Key, i Intervals, r Reader) *Member {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.topics == nil {
		t.topics = map[Key]*topic{}
	}
	joined := t.topics[k]
	if joined == nil {
		joined = newTopic()
		t.topics[k] = joined
	}
	m := &Member{topics: t, key: k, topic: joined, intervals: i, reader: r}
	joined.add(m)
	return m
}

// remove removes a member, and its topic with the last one.
func (t *Topics) remove(m *Member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.topic.remove(m) {
		delete(t.topics, m.key)
	}
}

// Member is a reader of a topic.
type Member struct {
	topics    *Topics
	key       Key
	topic     *topic
	intervals Intervals
	reader    Reader
	left      bool           // guarded by the topic's lock
	calls     sync.WaitGroup // of reader.Waiting and of Compare; Add under the topic's lock, unless left
}

// Run looks at the topic when it is this member's turn, until ctx ends. Then it leaves.
func (m *Member) Run(ctx context.Context) {
	defer m.calls.Wait()
	defer m.topics.remove(m)
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.topic.timer.C:
			m.topic.look(m)
		}
	}
}

// MessagesRead notes that messages of the topic were read: more may follow soon. It does not block.
func (m *Member) MessagesRead() { m.topic.messagesRead() }
