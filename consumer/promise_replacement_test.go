package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 9: whatever becomes of a connection, the consumer notices within the request timeout, replaces it and
// goes on; nothing is lost by it.
func TestPromiseConsumerReplacesABadConnection(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]iggytest.Fault{
		"cut":            iggytest.Cut(),
		"lost answer":    iggytest.Cut().AfterEffect(),
		"half an answer": iggytest.HalfFrame().AfterEffect(),
		"stalled":        iggytest.Silence(),
		"garbage":        iggytest.Garbage(),
		"stale client":   iggytest.Answer(30),
		"logged out":     iggytest.Answer(40),
		"no member":      iggytest.Answer(5006),
		"internal error": iggytest.Answer(13000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTransports(t, 2, func(t *testing.T, r *transportRig) {
				r.cluster.RequestTimeout = 300 * time.Millisecond
				r.send(0, numbered("", 50)...)
				r.send(1, numbered("", 50)...)
				var bad []*iggytest.Injection
				for _, c := range []embedded.Command{embedded.PollMessages, embedded.StoreOffset, embedded.GetTopic, embedded.JoinGroup} {
					bad = append(bad, r.server.Inject(fault.On(c).Skip(2).Times(2)))
				}
				all := newAttendance()
				c := r.handling(quick(), func(_ context.Context, m *consumer.Message[string]) error {
					all.note(placeOf(m))
					return nil
				})
				all.wait(t, 100)
				bad[0].Wait(1)
				for p := range uint32(2) {
					r.server.WaitCommitted("s", "t", "g", p, 49)
				}
				for _, b := range bad {
					b.Remove()
				}
				r.server.WaitFor("the consumer to be in order", func() bool { return c.Check(t.Context()) == nil })
			})
		})
	}
}
