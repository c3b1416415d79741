package consumer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 4: all partitions are read from the next look on, also when others create topics and groups while a
// member learns which are its own. Each change of the server's metadata makes its turn jump, which
// can hide all partitions but the first.
func TestPromiseTurnThatJumpsHidesNoPartition(t *testing.T) {
	t.Parallel()
	overTransports(t, 8, func(t *testing.T, r *transportRig) {
		for p := range uint32(8) {
			r.send(p, "a/0")
		}
		n := 0
		r.server.Inject(iggytest.Do(func(iggytest.Request) {
			n++
			r.server.CreateGroup("s", "t", fmt.Sprint("other-", n))
		}).On(embedded.PollMessages).Skip(1).Times(3))
		cfg := quick()
		cfg.ProbeInterval = 3 * time.Second
		all := newAttendance()
		r.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.note(placeOf(m))
			return nil
		})
		all.wait(t, 8)
	})
}
