package link

import "time"

// State is what a link is doing.
type State string

// The states of a link.
const (
	// StateConnecting means that there is no connection, and one is being sought.
	StateConnecting State = "connecting"
	// StateReady means that there is a logged-in connection.
	StateReady State = "ready"
	// StateClosed means that the link is not started, or stopped.
	StateClosed State = "closed"
)

// Status is how a link is at one moment.
type Status struct {
	// Name is the link's name.
	Name string
	// Address is the server's host:port.
	Address string
	State   State
	// Since is when the state began.
	Since time.Time
	// LastError is why the last connection ended or could not be made; it
	// stays after a reconnection.
	LastError error
	// Reconnects is how many connections were made after the first one.
	Reconnects uint64
	// Failures is how many attempts to connect and log in failed.
	Failures uint64
	// Breaker is the circuit breaker's state: closed, open or half-open.
	Breaker string
}

// Status tells how the link is.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Status{
		Name: l.name, Address: l.address, State: StateConnecting, Since: l.since, LastError: l.lastErr,
		Breaker: l.reconnect.breaker.State().String(), Failures: l.failures,
	}
	switch {
	case l.phase != phaseRunning:
		s.State = StateClosed
	case l.session != nil:
		s.State = StateReady
	}
	if l.generation > 1 {
		s.Reconnects = l.generation - 1
	}
	return s
}
