package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Status is how a producer is at one moment.
type Status struct {
	// Name is the producer's, behind that of its cluster if it has one.
	Name string
	// Running is true from the end of Start to the beginning of Stop.
	Running bool
	// Connections has an entry for each connection.
	Connections []Connection
	// BufferedBytes and BufferedMessages are what has no outcome yet, beside the
	// ceilings from the configuration.
	BufferedBytes, MaxBufferedBytes       int64
	BufferedMessages, MaxBufferedMessages int64
	// Waiting is how many calls wait for room.
	Waiting int
	// Confirmed, Failed and Unknown count messages by outcome; refused ones are Failed.
	Confirmed, Failed, Unknown uint64
	// Retries counts requests that were made again.
	Retries uint64
	// LastError is the last failure of a request or a message, at LastErrorAt; nil when there was none.
	LastError   error
	LastErrorAt time.Time
}

// Connection is how one of the producer's connections is.
type Connection struct {
	// Name is the producer's with a number: producer-0 and so on.
	Name string
	// Address is the server's host:port.
	Address string
	// State is connecting, ready or closed, since Since.
	State string
	Since time.Time
	// Breaker is the circuit breaker's state: closed, open or half-open.
	Breaker string
	// Reconnects counts the connections made after the first one.
	Reconnects uint64
	// LastError is why the last connection ended or could not be made.
	LastError error
}

type noted struct {
	err error
	at  time.Time
}

func (p *Producer) noteError(err error) { p.lastErr.Store(&noted{err: err, at: time.Now()}) }

// Status tells how the producer is. It asks nobody, so it is cheap.
func (p *Producer) Status() Status {
	s := Status{
		Name:          p.name,
		Running:       p.phase.Load() == phaseRunning,
		BufferedBytes: p.ceiling.bytes.Load(), MaxBufferedBytes: p.ceiling.maxBytes,
		BufferedMessages: p.ceiling.messages.Load(), MaxBufferedMessages: p.ceiling.maxMessages,
		Waiting: int(p.ceiling.waiting.Load()),
		Retries: p.retries.Load(),
	}
	s.Failed = p.forgotten.Load()
	for _, t := range p.topicList() {
		s.Confirmed += t.confirmed.Load()
		s.Failed += t.failed.Load() + t.refused.Load()
		s.Unknown += t.unknown.Load()
	}
	for _, l := range p.links {
		c := l.Status()
		s.Connections = append(s.Connections, Connection{
			Name: c.Name, Address: c.Address, State: string(c.State), Since: c.Since,
			Breaker: c.Breaker, Reconnects: c.Reconnects, LastError: c.LastError,
		})
	}
	if n := p.lastErr.Load(); n != nil {
		s.LastError, s.LastErrorAt = n.err, n.at
	}
	return s
}

// Check asks the server over each connection, and returns nil when all have been
// answered within ctx. The question is a topic's metadata, since the server answers a
// ping without a login; that the topic does not exist is an answer, too.
func (p *Producer) Check(ctx context.Context) error {
	if err := p.running(); err != nil {
		return err
	}
	stream, name := "fetchbox", "jobs.tasks"
	if t := p.lastTopic.Load(); t != nil {
		stream, name = t.stream, t.name
	}
	errs := make(chan error, len(p.links))
	for _, l := range p.links {
		go func() { errs <- checkLink(ctx, l, stream, name) }()
	}
	var all []error
	for range p.links {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func checkLink(ctx context.Context, l *link.Link, stream, name string) error {
	err := l.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		_, err := c.Topic(ctx, stream, name)
		return err
	})
	var status *iggyerr.StatusError
	if err == nil || errors.Is(err, iggyerr.ErrNotFound) ||
		errors.As(err, &status) && status.Status == iggyerr.StatusUnauthorized {
		return nil
	}
	return fmt.Errorf("iggy: %s: %w", l.Status().Name, err)
}
