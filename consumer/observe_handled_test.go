package consumer_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// seen collects what handlers received.
type seen struct {
	mu      sync.Mutex
	texts   []string
	changed chan struct{}
}

func newSeen() *seen { return &seen{changed: make(chan struct{})} }

func (s *seen) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = append(s.texts, text)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *seen) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.texts...)
}

// wait waits until n texts were seen.
func (s *seen) wait(t testing.TB, n int) []string {
	t.Helper()
	s.waitFor(t, fmt.Sprintf("%d messages", n), func(texts []string) bool { return len(texts) >= n })
	return s.all()
}

func (s *seen) waitFor(t testing.TB, what string, ok func(texts []string) bool) {
	t.Helper()
	deadline := time.After(testTimeout)
	for {
		s.mu.Lock()
		good, changed := ok(s.texts), s.changed
		n := len(s.texts)
		s.mu.Unlock()
		if good {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "not seen in time", "%s; %d messages were seen", what, n)
		}
	}
}

// handlerLog counts deliveries of each message over all members of a group.
type handlerLog struct {
	mu       sync.Mutex
	times    map[string]int
	doubled  int
	handled  int
	overlaps int
	busy     map[string]int
	changed  chan struct{}
}

func newHandlerLog() *handlerLog {
	return &handlerLog{times: map[string]int{}, busy: map[string]int{}, changed: make(chan struct{})}
}

func (log *handlerLog) begin(text string) {
	log.mu.Lock()
	defer log.mu.Unlock()
	if log.busy[text]++; log.busy[text] > 1 {
		log.overlaps++
	}
}

func (log *handlerLog) done(text string) {
	log.mu.Lock()
	defer log.mu.Unlock()
	log.busy[text]--
	log.handled++
	if log.times[text]++; log.times[text] > 1 {
		log.doubled++
	}
	close(log.changed)
	log.changed = make(chan struct{})
}

func (log *handlerLog) distinct() int {
	log.mu.Lock()
	defer log.mu.Unlock()
	return len(log.times)
}

func (log *handlerLog) wait(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(2 * testTimeout)
	for {
		log.mu.Lock()
		have, changed := len(log.times), log.changed
		log.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "not handled in time", "%d of %d messages", have, n)
		}
	}
}

// location is where a message is stored.
type location struct {
	partition uint32
	offset    uint64
}

func locationOf(m *consumer.Message[string]) location { return location{m.Partition(), m.Offset()} }

func locationOfBytes(m *consumer.Message[[]byte]) location {
	return location{m.Partition(), m.Offset()}
}

// deliveryCount counts how often each message was handled.
type deliveryCount struct {
	mu          sync.Mutex
	times       map[location]int
	repeatCount int
	changed     chan struct{}
}

func newDeliveryCount() *deliveryCount {
	return &deliveryCount{times: map[location]int{}, changed: make(chan struct{})}
}

// add counts a message and returns the number of different ones so far.
func (a *deliveryCount) add(at location) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.times[at]++; a.times[at] > 1 {
		a.repeatCount++
	}
	close(a.changed)
	a.changed = make(chan struct{})
	return len(a.times)
}

// repeats is how many times messages were handled again.
func (a *deliveryCount) repeats() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.repeatCount
}

// wait waits until n different messages were handled.
func (a *deliveryCount) wait(t testing.TB, n int) {
	t.Helper()
	timeout := time.After(testTimeout)
	for {
		a.mu.Lock()
		have, changed := len(a.times), a.changed
		a.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			require.FailNow(t, "messages were not handled", "%d of %d were", have, n)
		}
	}
}

// violations collects what must not happen, from any goroutine.
type violations struct {
	mu   sync.Mutex
	list []string
}

func (p *violations) add(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) < 10 {
		p.list = append(p.list, fmt.Sprintf(format, args...))
	}
}

func (p *violations) none(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Empty(t, p.list)
}
