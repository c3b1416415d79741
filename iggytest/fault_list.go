package iggytest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// faultList holds the faults of a proxy, in the order in which they were injected.
type faultList struct {
	mu         sync.Mutex
	injections []*Injection // replaced, never changed
}

func (l *faultList) inject(tb testing.TB, f Fault) *Injection {
	i := &Injection{fault: f, tb: tb, faults: l, changed: make(chan struct{})}
	if f.chance > 0 {
		i.random = rand.New(rand.NewPCG(f.seed, f.seed))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.injections = append(slices.Clone(l.injections), i)
	return i
}

func (l *faultList) remove(i *Injection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.injections = slices.DeleteFunc(slices.Clone(l.injections), func(other *Injection) bool { return other == i })
}

func (l *faultList) all() []*Injection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.injections
}

// refusesConn reports whether a new connection is to be refused.
func (l *faultList) refusesConn(r Request) bool {
	for _, i := range l.all() {
		if i.fault.kind == kindRefuse && i.matches(r) {
			i.applied(r)
			return true
		}
	}
	return false
}

// latency returns how long the bytes of a new connection are delayed in each direction.
func (l *faultList) latency(r Request) time.Duration {
	var d time.Duration
	for _, i := range l.all() {
		if i.fault.kind == kindLatency && i.matches(r) {
			i.applied(r)
			d += i.fault.delay
		}
	}
	return d
}

// plan is what happens to a request: all matching faults that let it pass, and the first one that
// replaces the request or its answer.
type plan struct {
	passing     []*Injection
	replacement *Injection
}

func (l *faultList) plan(r Request) plan {
	var p plan
	for _, i := range l.all() {
		switch {
		case i.fault.kind.ofConnections():
		case i.fault.kind.passes():
			if i.matches(r) {
				p.passing = append(p.passing, i)
			}
		case p.replacement == nil && i.matches(r):
			p.replacement = i
		}
	}
	return p
}

// rate returns the slowest rate of the faults, in bytes a second, and 0 without one.
func (p plan) rate() int {
	rate := 0
	for _, i := range p.passing {
		if i.fault.kind == kindSlow && (rate == 0 || i.fault.rate < rate) {
			rate = i.fault.rate
		}
	}
	return rate
}

// replacementAt returns the replacement when it belongs to this stage, before or after the effect.
func (p plan) replacementAt(after bool) *Injection {
	if p.replacement != nil && p.replacement.fault.after == after {
		return p.replacement
	}
	return nil
}

// exclusive reports whether no other request of the connection may be in flight.
func (p plan) exclusive() bool {
	return p.replacement != nil || slices.ContainsFunc(p.passing, func(i *Injection) bool { return i.fault.kind == kindDo })
}
