package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"

	"github.com/google/uuid"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// marks is the topic that notes what was done with dead letters. It has one
// partition, so that all agree on the order.
type marks struct {
	where  topic.Topic[mark]
	states map[string]*letterState
	next   uint64 // the first offset that was not read
	run    string
	by     string
}

func marksTopic(t config.Topics) topic.Topic[mark] {
	settings := topic.Settings{Partitions: 1, Retention: topic.Never}
	if d := t.DLQ.Retention.Duration(); d > 0 {
		settings.Retention = 2 * d // a mark outlives its letter
	}
	return topic.New(t.Stream, t.DLQ.Name+".marks", topic.JSON[mark](), topic.WithSettings[mark](settings))
}

// readMarks reads all marks. There are none when there is no topic of them yet.
func (a *app) readMarks(ctx context.Context, cluster config.Cluster) (*marks, error) {
	m := &marks{where: marksTopic(cluster.Topics), states: map[string]*letterState{}, run: uuid.NewString(), by: operator()}
	err := m.update(ctx, a, cluster)
	if errors.Is(err, iggyerr.ErrNotFound) {
		err = nil
	}
	return m, err
}

// update reads the marks that were written since the last time.
func (m *marks) update(ctx context.Context, a *app, cluster config.Cluster) error {
	r, err := a.openReader(ctx, cluster, m.where.Stream(), m.where.Name(), transport.Strategy{Kind: transport.FromOffset, Value: m.next})
	if err != nil {
		return err
	}
	defer r.close(ctx)
	return r.toEnd(ctx, func(rec message) error {
		m.next = rec.offset + 1
		if rec.fault != nil {
			return nil
		}
		var one mark
		if json.Unmarshal(rec.payload, &one) != nil {
			return nil // not ours
		}
		one.At = rec.timestamp
		s := m.states[one.Letter]
		if s == nil {
			s = &letterState{}
			m.states[one.Letter] = s
		}
		s.apply(one)
		return nil
	})
}

func (m *marks) of(key string) letterState {
	if s := m.states[key]; s != nil {
		return *s
	}
	return letterState{}
}

// create makes the topic of marks when it is missing.
func (m *marks) create(ctx context.Context, server *admin.Admin) error {
	if _, err := server.Provision(ctx, admin.Spec{admin.Of(m.where)}); err != nil {
		return fmt.Errorf("topic for marks: %w", err)
	}
	return nil
}

// write stores marks, all or an error.
func (m *marks) write(ctx context.Context, p *producer.Producer, all []mark) error {
	for i := range all {
		all[i].Run, all[i].By = m.run, m.by
	}
	if err := producer.For(p, m.where).PublishAll(ctx, all); err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	return nil
}

// operator is who runs this, for other people's eyes.
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
