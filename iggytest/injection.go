package iggytest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience is how long the waiting functions wait before they fail the test.
// It only has to be longer than what a heavily loaded machine needs.
const waitTimeout = 30 * time.Second

// logged is how many strikes of one fault are written to the test's log.
const maxLogged = 20

// Injection is a fault at work.
type Injection struct {
	fault  Fault
	tb     testing.TB
	faults *faultList

	mu      sync.Mutex
	random  *rand.Rand
	matched int
	count   int
	changed chan struct{}
}

// Struck is how many times the fault has struck.
func (i *Injection) Count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.count
}

// Wait returns when the fault has struck n times in all. When that does not
// happen within 30 seconds it fails the test. A fault has struck when its time
// has come: the request was held back, or its answer is there.
func (i *Injection) Wait(n int) {
	i.tb.Helper()
	timeout := time.NewTimer(waitTimeout)
	defer timeout.Stop()
	for {
		i.mu.Lock()
		struck, changed := i.count, i.changed
		i.mu.Unlock()
		if struck >= n {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			i.tb.Fatalf("iggytest: %s: struck %d times of %d after %s", i.fault, struck, n, waitTimeout)
		}
	}
}

// Remove ends the fault. What it has done to connections stays.
func (i *Injection) Remove() { i.faults.remove(i) }

// take tells whether the fault is to strike this request, and counts it.
func (i *Injection) matches(r Request) bool {
	f := &i.fault
	if f.kind != kindRefuse && len(f.commands) > 0 && !slices.Contains(f.commands, r.Command) {
		return false
	}
	for _, match := range f.when {
		if !match(r) {
			return false
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if f.times > 0 && i.matched-f.skip >= f.times {
		return false
	}
	if i.matched < f.skip {
		i.matched++
		return false
	}
	if i.random != nil && i.random.Float64() >= f.chance {
		return false
	}
	i.matched++
	return true
}

// strike notes that the fault's time has come.
func (i *Injection) applied(r Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.count++
	close(i.changed)
	i.changed = make(chan struct{})
	if i.count <= maxLogged && i.fault.kind != kindObserve {
		i.tb.Logf("iggytest: %s: connection %d, request %d, %s", i.fault, r.Conn, r.Number, r.Command)
	}
}

// script holds the faults of a proxy, in the order in which they were injected.
type faultList struct {
	mu         sync.Mutex
	injections []*Injection
}

func (s *faultList) inject(tb testing.TB, f Fault) *Injection {
	i := &Injection{fault: f, tb: tb, faults: s, changed: make(chan struct{})}
	if f.chance > 0 {
		i.random = rand.New(rand.NewPCG(f.seed, f.seed))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.injections = append(slices.Clone(s.injections), i)
	return i
}

func (s *faultList) remove(i *Injection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.injections = slices.DeleteFunc(slices.Clone(s.injections), func(other *Injection) bool { return other == i })
}

func (s *faultList) all() []*Injection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.injections
}

// plan is what is to happen to a request: everything that lets it pass adds up,
// and the first fault that does not decides.
type plan struct {
	passing     []*Injection
	replacement *Injection
}

func (s *faultList) plan(r Request) plan {
	var p plan
	for _, i := range s.all() {
		switch {
		case i.fault.kind == kindRefuse:
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

// refuses tells whether a new connection is to be refused.
func (s *faultList) refusesConn(r Request) bool {
	for _, i := range s.all() {
		if i.fault.kind == kindRefuse && i.matches(r) {
			i.applied(r)
			return true
		}
	}
	return false
}

// rate is the slowest rate asked for, in bytes a second; 0 is none.
func (p plan) rate() int {
	rate := 0
	for _, i := range p.passing {
		if i.fault.kind == kindSlow && (rate == 0 || i.fault.rate < rate) {
			rate = i.fault.rate
		}
	}
	return rate
}

// at returns the decisive fault when it is to strike at this stage.
func (p plan) replacementAt(after bool) *Injection {
	if p.replacement != nil && p.replacement.fault.after == after {
		return p.replacement
	}
	return nil
}

// alone tells whether the request must have the connection for itself.
func (p plan) exclusive() bool {
	return p.replacement != nil || slices.ContainsFunc(p.passing, func(i *Injection) bool { return i.fault.kind == kindDo })
}
