package link

import (
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/startstop"
)

// State is the state of a link.
type State string

// The states of a link.
const (
	// StateConnecting means that the link tries to connect.
	StateConnecting State = "connecting"
	// StateReady means that there is a logged-in connection.
	StateReady State = "ready"
	// StateClosed means that the link is not started or is stopped.
	StateClosed State = "closed"
)

// Status is the state of a link at one moment.
type Status struct {
	// Name is the link's name.
	Name string
	// Address is the host:port of the server of the connection. Without a connection it has all
	// hosts of the endpoint.
	Address string
	State   State
	// Since is when the state began.
	Since time.Time
	// LastError is why the last connection ended or could not be made. A reconnection keeps it.
	LastError error
	// Reconnects counts the connections after the first one.
	Reconnects uint64
	// Failures counts the failed attempts to connect and log in.
	Failures uint64
	// Breaker is the circuit breaker's state: closed, open or half-open.
	Breaker string
}

// Status returns the state of the link.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Status{
		Name: l.name, Address: l.address, State: StateConnecting, Since: l.since, LastError: l.lastErr,
		Breaker: l.breaker.State(), Failures: l.failures,
	}
	switch state := l.life.State(); {
	case state == startstop.StateNew || state >= startstop.StateStopping:
		s.State = StateClosed
	case l.session != nil:
		s.State, s.Address = StateReady, l.session.conn.Address
	}
	if l.generation > 1 {
		s.Reconnects = l.generation - 1
	}
	return s
}
