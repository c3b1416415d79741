package iggytest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// waitTimeout is how long the waiting functions wait before they fail the test. It only has to be
// longer than what a heavily loaded machine needs.
const waitTimeout = 30 * time.Second

// maxLogged bounds the requests for which one fault writes a line to the test's log.
const maxLogged = 20

// Injection is a fault in a proxy.
type Injection struct {
	fault  Fault
	tb     testing.TB
	faults *faultList

	mu      sync.Mutex
	random  *rand.Rand
	matched int
	count   int
	changed chan struct{} // closed and replaced when count changes
}

// Count returns how many times the fault was applied.
func (i *Injection) Count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.count
}

// Wait returns when the fault was applied n times in all. It fails the test when that does not
// happen within 30 seconds. A fault is applied when the request would be forwarded, or after the
// effect, when its answer would be.
func (i *Injection) Wait(n int) {
	i.tb.Helper()
	timeout := time.NewTimer(waitTimeout)
	defer timeout.Stop()
	for {
		i.mu.Lock()
		count, changed := i.count, i.changed
		i.mu.Unlock()
		if count >= n {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			i.tb.Fatalf("iggytest: %s: applied %d times of %d after %s", i.fault, count, n, waitTimeout)
		}
	}
}

// Remove ends the fault. What it has done to connections stays.
func (i *Injection) Remove() { i.faults.remove(i) }

// matches reports whether the fault is to be applied to this request, and counts the requests for
// Skip and Times. It must be called once for each request.
func (i *Injection) matches(r Request) bool {
	f := &i.fault
	if !f.kind.ofConnections() && len(f.commands) > 0 && !slices.Contains(f.commands, r.Command) {
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

// applied counts a request to which the fault is applied.
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
