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
const patience = 30 * time.Second

// logged is how many strikes of one fault are written to the test's log.
const logged = 20

// Injection is a fault at work.
type Injection struct {
	fault  Fault
	tb     testing.TB
	script *script

	mu      sync.Mutex
	random  *rand.Rand
	matched int
	struck  int
	changed chan struct{}
}

// Struck is how many times the fault has struck.
func (i *Injection) Struck() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.struck
}

// Wait returns when the fault has struck n times in all. When that does not
// happen within 30 seconds it fails the test. A fault has struck when its time
// has come: the request was held back, or its answer is there.
func (i *Injection) Wait(n int) {
	i.tb.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		i.mu.Lock()
		struck, changed := i.struck, i.changed
		i.mu.Unlock()
		if struck >= n {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			i.tb.Fatalf("iggytest: %s: struck %d times of %d after %s", i.fault, struck, n, patience)
		}
	}
}

// Remove ends the fault. What it has done to connections stays.
func (i *Injection) Remove() { i.script.remove(i) }

// take tells whether the fault is to strike this request, and counts it.
func (i *Injection) take(r Request) bool {
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
func (i *Injection) strike(r Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.struck++
	close(i.changed)
	i.changed = make(chan struct{})
	if i.struck <= logged && i.fault.kind != kindObserve {
		i.tb.Logf("iggytest: %s: connection %d, request %d, %s", i.fault, r.Conn, r.Number, r.Command)
	}
}

// script holds the faults of a proxy, in the order in which they were injected.
type script struct {
	mu   sync.Mutex
	list []*Injection
}

func (s *script) inject(tb testing.TB, f Fault) *Injection {
	i := &Injection{fault: f, tb: tb, script: s, changed: make(chan struct{})}
	if f.chance > 0 {
		i.random = rand.New(rand.NewPCG(f.seed, f.seed))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(slices.Clone(s.list), i)
	return i
}

func (s *script) remove(i *Injection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(slices.Clone(s.list), func(other *Injection) bool { return other == i })
}

func (s *script) current() []*Injection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list
}

// plan is what is to happen to a request: everything that lets it pass adds up,
// and the first fault that does not decides.
type plan struct {
	passing  []*Injection
	decisive *Injection
}

func (s *script) plan(r Request) plan {
	var p plan
	for _, i := range s.current() {
		switch {
		case i.fault.kind == kindRefuse:
		case i.fault.kind.passes():
			if i.take(r) {
				p.passing = append(p.passing, i)
			}
		case p.decisive == nil && i.take(r):
			p.decisive = i
		}
	}
	return p
}

// refuses tells whether a new connection is to be refused.
func (s *script) refuses(r Request) bool {
	for _, i := range s.current() {
		if i.fault.kind == kindRefuse && i.take(r) {
			i.strike(r)
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
func (p plan) at(after bool) *Injection {
	if p.decisive != nil && p.decisive.fault.after == after {
		return p.decisive
	}
	return nil
}

// alone tells whether the request must have the connection for itself.
func (p plan) alone() bool {
	return p.decisive != nil || slices.ContainsFunc(p.passing, func(i *Injection) bool { return i.fault.kind == kindDo })
}
