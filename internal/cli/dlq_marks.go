package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/google/uuid"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// marks reads and writes the topic of marks, which say what was done with dead letters. The topic
// has one partition, so that everybody sees the same order.
type marks struct {
	topic  topic.Topic[mark]
	states map[string]*deadLetterState
	next   uint64 // the first offset that was not read
	run    string // identifies this run of the program
	by     string // the user who runs it
}

// marksTopic is the topic of the marks of a topic with dead letters.
func marksTopic(letters topicRef, retention time.Duration) topic.Topic[mark] {
	settings := topic.Settings{Partitions: 1, Retention: topic.RetentionForever}
	if retention > 0 {
		settings.Retention = 2 * retention // a mark outlives its dead letter
	}
	return topic.New(letters.stream, letters.name+".marks", topic.JSON[mark](), topic.WithSettings[mark](settings))
}

// readMarks reads all marks. There are none while the topic is missing.
func (a *app) readMarks(ctx context.Context, cluster config.Cluster, letters topicRef) (*marks, error) {
	if len(letters.name+".marks") > maxName {
		return nil, usagef("%q is too long a name for a topic of dead letters: its topic of marks is named like it, with .marks appended", letters.name)
	}
	m := &marks{topic: marksTopic(letters, 0), states: map[string]*deadLetterState{}, run: uuid.NewString(), by: operator()}
	bar := newProgressBar(a.err, "marks read", -1)
	defer bar.clear()
	err := m.update(ctx, a, cluster, bar)
	if errors.Is(err, iggyerr.ErrNotFound) {
		err = nil
	}
	return m, err
}

// update reads the marks that were written since the last update. bar may be nil.
func (m *marks) update(ctx context.Context, a *app, cluster config.Cluster, bar *progressBar) error {
	r, err := a.openReader(ctx, cluster, topicRef{stream: m.topic.Stream(), name: m.topic.Name()}, readOptions{start: startPosition{offset: m.next}})
	if err != nil {
		return err
	}
	defer r.close(ctx)
	return r.readToEnd(ctx, func(stored message) error {
		m.next = stored.Offset + 1
		bar.update(-1, int(m.next))
		one, err := decode(m.topic.Codec(), stored)
		if err != nil {
			return nil //nolint:nilerr // not a mark
		}
		one.At = stored.Timestamp
		s := m.states[one.Letter]
		if s == nil {
			s = &deadLetterState{}
			m.states[one.Letter] = s
		}
		s.apply(one)
		return nil
	})
}

// state is the state of the dead letter with that key.
func (m *marks) state(key string) deadLetterState {
	if s := m.states[key]; s != nil {
		return *s
	}
	return deadLetterState{}
}

// create creates the topic of marks when it is missing.
func (m *marks) create(ctx context.Context, server *admin.Admin, letters topicRef) error {
	found, _, err := server.Topic(ctx, letters.stream, letters.name)
	if err != nil {
		return err
	}
	m.topic = marksTopic(letters, found.Retention)
	if _, err := server.Provision(ctx, admin.Spec{admin.Of(m.topic)}); err != nil {
		return fmt.Errorf("topic for marks: %w", err)
	}
	return nil
}

// write publishes marks, and waits until all are confirmed.
func (m *marks) write(ctx context.Context, p *producer.Producer, all []mark) error {
	for i := range all {
		all[i].Run, all[i].By = m.run, m.by
	}
	if err := producer.For(p, m.topic).PublishAll(ctx, all); err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	return nil
}

// operator is the user who runs the program, as user@host.
func operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}
