package consumer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// The tests named TestPromise… hold the library to docs/guarantees.md, from
// outside: against the embedded server with faults on the way, over both
// transports, by nothing but the exported names.

// overTransports runs test once for each transport, each with a server and a topic of its own.
func overTransports(t *testing.T, partitions uint32, test func(t *testing.T, r *transportRig)) {
	for _, name := range []config.Transport{config.TransportSDK, config.TransportNative} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			r := &transportRig{rig: newRig(t, partitions)}
			r.cluster = r.iggy
			r.cluster.Transport = name
			r.cluster.Reconnect = config.Backoff{BaseBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, Jitter: 0.2}
			r.cluster.Breaker = config.Breaker{Failures: 50, Delay: 10 * time.Millisecond}
			test(t, r)
		})
	}
}

// transportRig is a rig whose consumers use one of the transports.
type transportRig struct {
	*rig
	cluster config.Iggy
}

// member makes a consumer that is stopped with the test.
func (r *transportRig) member(cfg config.Consumer, opts ...consumer.Option) *consumer.Consumer[string] {
	r.t.Helper()
	c, err := consumer.New(r.cluster, cfg, r.topic, append([]consumer.Option{consumer.WithLogger(logger(r.t))}, opts...)...)
	require.NoError(r.t, err)
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = c.Stop(ctx)
	})
	return c
}

// handling starts a consumer with a handler.
func (r *transportRig) handling(cfg config.Consumer, handler func(context.Context, *consumer.Message[string]) error, opts ...consumer.Option) *consumer.Consumer[string] {
	r.t.Helper()
	return r.handlingWithDeadLetters(cfg, nil, handler, opts...)
}

// handlingWithDeadLetters starts a consumer with a handler and dead letters; nil are none.
func (r *transportRig) handlingWithDeadLetters(cfg config.Consumer, d consumer.DeadLetters[string], handler func(context.Context, *consumer.Message[string]) error, opts ...consumer.Option) *consumer.Consumer[string] {
	r.t.Helper()
	c := r.member(cfg, opts...)
	require.NoError(r.t, c.SetDeadLetters(d))
	require.NoError(r.t, c.Handle(handler))
	start(r.t, c)
	return c
}

// onStore calls f with each offset that a consumer is about to store. Questions whether a partition is owned,
// which are offsets that no log can have, are left out.
func (r *transportRig) onStore(f func(partition uint32, offset uint64)) {
	r.server.Inject(iggytest.Do(func(req iggytest.Request) {
		// […][u32 partition][u64 offset]
		n := len(req.Body)
		partition, offset := binary.LittleEndian.Uint32(req.Body[n-12:]), binary.LittleEndian.Uint64(req.Body[n-8:])
		if offset < 1<<61 {
			f(partition, offset)
		}
	}).On(embedded.StoreOffset))
}

// place is where a message is stored.
type place struct {
	partition uint32
	offset    uint64
}

func placeOf(m *consumer.Message[string]) place { return place{m.Partition(), m.Offset()} }

// attendance counts how often each message was handled.
type attendance struct {
	mu      sync.Mutex
	times   map[place]int
	repeats int
	changed chan struct{}
}

func newAttendance() *attendance {
	return &attendance{times: map[place]int{}, changed: make(chan struct{})}
}

// note counts a message and returns the number of different ones so far.
func (a *attendance) note(at place) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.times[at]++; a.times[at] > 1 {
		a.repeats++
	}
	close(a.changed)
	a.changed = make(chan struct{})
	return len(a.times)
}

// repeated is how many times messages were handled again.
func (a *attendance) repeated() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.repeats
}

// wait waits until n different messages were handled.
func (a *attendance) wait(t testing.TB, n int) {
	t.Helper()
	timeout := time.After(patience)
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

// problems collects what must not happen, from any goroutine.
type problems struct {
	mu   sync.Mutex
	list []string
}

func (p *problems) add(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) < 10 {
		p.list = append(p.list, fmt.Sprintf(format, args...))
	}
}

func (p *problems) none(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Empty(t, p.list)
}

// received waits for a value, for as long as what must happen may take.
func received[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "waited in vain", "for %s", what)
		panic("unreachable")
	}
}
