package producer

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
)

// Status is the state of a producer at one moment.
type Status struct {
	// Name is the producer's name, with the name of its cluster in front if it has one.
	Name string
	// Running is true from the end of Start to the beginning of Stop.
	Running bool
	// Connections has an entry for each connection.
	Connections []Connection
	// BufferedBytes and BufferedMessages count the messages without an outcome. The limits are
	// those of the configuration.
	BufferedBytes, MaxBufferedBytes       int64
	BufferedMessages, MaxBufferedMessages int64
	// Waiting is the number of calls that wait for room in the buffer.
	Waiting int
	// Confirmed, Failed and Unknown count messages by outcome; refused ones are Failed.
	Confirmed, Failed, Unknown uint64
	// Retries counts the repeated requests.
	Retries uint64
	// LastError is the last failure of a request or a message, at LastErrorAt. It is nil when
	// nothing failed.
	LastError   error
	LastErrorAt time.Time
}

// Connection is the state of one of the producer's connections.
type Connection struct {
	// Name is the producer's name with a number: producer-0 and so on.
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

// Status returns the state of the producer. It makes no request.
func (p *Producer) Status() Status {
	s := Status{
		Name:          p.name,
		Running:       p.life.State() == startstop.StateStarted,
		BufferedBytes: p.limit.bytes.Load(), MaxBufferedBytes: p.limit.maxBytes,
		BufferedMessages: p.limit.messages.Load(), MaxBufferedMessages: p.limit.maxMessages,
		Waiting: int(p.limit.waiting.Load()),
		Retries: p.stats.retries.Load(),
	}
	s.Failed = p.topics.evictedFailures.Load()
	for _, t := range p.topics.list() {
		s.Confirmed += t.counters.confirmed.Load()
		s.Failed += t.counters.failed.Load() + t.counters.refused.Load()
		s.Unknown += t.counters.unknown.Load()
	}
	for _, l := range p.connections {
		c := l.Status()
		s.Connections = append(s.Connections, Connection{
			Name: c.Name, Address: c.Address, State: string(c.State), Since: c.Since,
			Breaker: c.Breaker, Reconnects: c.Reconnects, LastError: c.LastError,
		})
	}
	if n := p.stats.lastError.Load(); n != nil {
		s.LastError, s.LastErrorAt = n.err, n.at
	}
	return s
}
