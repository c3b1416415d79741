package consumer

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/park"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// WithParking has s write the messages that wait longer than park_after for their redelivery, see
// RetryAfter. Their topic (ParkedTopic) and the groups of the consumer on it must exist. Without
// park_after in the configuration it has no effect, and with park_after it is required.
func WithParking(s topic.RawSender) Option { return func(o *options) { o.parking = s } }

// ParkedTopic returns the topic of the parked messages of a consumer of t, as cfg.Parked configures it:
// by default TOPIC.GROUP.parked in the stream of t. It panics like topic.New for a name of more than 255
// bytes.
func ParkedTopic[T any](t topic.Topic[T], cfg config.Consumer) topic.Topic[[]byte] {
	c := cfg.Parked
	return topic.New(t.Stream(), parkedName(t.Name(), cfg), topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{
		Partitions: c.Partitions, Retention: c.Retention.Duration(), MaxSize: uint64(max(c.MaxSize, 0)),
	}))
}

func parkedName(topic string, cfg config.Consumer) string {
	if cfg.Parked.Name != "" {
		return cfg.Parked.Name
	}
	return topic + "." + cfg.Group + ".parked"
}

// parking is where a consumer parks messages, and the engine that reads them. That engine has the same
// group, on the topic of the parked messages, and the same connection; what it reads shares the limits of
// the consumer's own messages and goes to the same handler.
type parking struct {
	sender topic.RawSender
	delays park.Delays
	*engine
}

// maxParkedBatch is how many parked messages are read at once, at most: mostly few are due together.
const maxParkedBatch = 100

// newParking makes the parking of e; nil when it parks no messages.
func (e *engine) newParking(o *options) (*parking, error) {
	switch {
	case e.cfg.ParkAfter == 0:
		return nil, nil
	case o.parking == nil:
		return nil, errNoParking
	case !e.identity.Group:
		return nil, errParkingStandalone
	}
	s := e.settings
	if s.identity.Topic = parkedName(e.identity.Topic, e.cfg); s.identity.Topic == e.identity.Topic {
		return nil, errParkingSameTopic
	}
	s.log = e.log.With(zap.String("parked", s.identity.Topic))
	s.cfg.StartFrom, s.cfg.OnGap, s.cfg.OnReset = config.StartFirst, config.GapContinue, config.ResetFollow
	s.cfg.BatchSize = min(s.cfg.BatchSize, maxParkedBatch)
	s.delays = park.Delays{First: e.cfg.ParkAfter, Partitions: e.cfg.Parked.Partitions}
	return &parking{
		sender: o.parking, delays: s.delays,
		engine: newEngine(s, e.shared, e.link, nil, e.dialTransient),
	}, nil
}

var (
	errNoParking         = errors.New("park_after needs a producer that writes the parked messages: WithParking")
	errParkingSameTopic  = errors.New("parked.name must not be the name of the consumer's topic")
	errParkingStandalone = errors.New("park_after is for members of a group, not for standalone consumers")
)

// leave says when the messages of a partition leave it; nil when they are not parked ones.
func (s *settings) leave(partition uint32) func(*wire.Message) time.Time {
	if s.delays.Partitions == 0 {
		return nil
	}
	return func(raw *wire.Message) time.Time {
		m, _, ok := park.Parse(raw.Headers)
		if !ok {
			return time.Time{} // someone else has written it
		}
		return s.delays.Leave(m, partition, timeOf(raw.Timestamp))
	}
}

// Park implements deliver.App.
func (a *app[T]) Park(ctx context.Context, d *deliver.Message, due time.Time, attempts int) error {
	p := a.e.parking
	m := park.Message{Origin: originOf((*consumed)(d)), Due: due, Attempts: attempts}
	if d.Parked != nil {
		m.Copies = d.Parked.Copies + 1
	}
	return p.sender.SendRaw(ctx, topic.RawMessage{
		Stream: p.identity.Stream, Topic: p.identity.Topic, Partition: p.delays.Partition(time.Until(due)), ID: m.ID(),
		OriginTimestamp: timeOf(d.Raw.OriginTimestamp), Payload: d.Raw.Payload, Headers: m.Headers(d.Raw.Headers),
	})
}

// unpark makes what a message says that it is, if it is a parked one: its headers are those that it had
// before, and so is its origin. e is the engine that reads the topic of e's consumer.
func unpark(d *deliver.Message, e *engine) {
	m, own, ok := park.Parse(d.Raw.Headers)
	if !ok {
		return
	}
	raw := *d.Raw
	raw.Headers = own
	d.Raw, d.Parked = &raw, &m
	d.Foreign = m.Origin.Stream != e.identity.Stream || m.Origin.Topic != e.identity.Topic || m.Origin.Group != e.group()
}
