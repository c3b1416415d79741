package consumer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// Promise 4: a server that was killed brings a partition back empty and its stored offset as 0. Whoever
// sees that deletes the offset, so that a process that starts later, when there is a new record at 0, does not take that
// for handled.
func TestPromiseOffsetOfALostLogHidesNoRecord(t *testing.T) {
	t.Parallel()
	for name, alive := range map[string]bool{"seen by one that lived through it": true, "seen by a fresh one": false} {
		for _, by := range []config.Transport{config.TransportSDK, config.TransportNative} {
			t.Run(name+" "+string(by), func(t *testing.T) {
				t.Parallel()
				r := &transportRig{rig: newRig(t, 1, embedded.WithDirectory(t.TempDir()))}
				r.cluster = r.iggy
				r.cluster.Transport = by
				r.send(0, numbered("old", 10)...)
				got := newSeen()
				handler := func(_ context.Context, m *consumer.Message[string]) error {
					got.add(m.Value)
					return nil
				}
				witness := r.handling(quick(), handler)
				got.wait(t, 10)
				r.server.WaitCommitted("s", "t", "g", 0, 9)
				if !alive {
					stop(t, witness)
				}
				r.server.Crash()
				r.server.Start()
				if !alive {
					offset, ok := r.server.Committed("s", "t", "g", 0)
					require.True(t, ok)
					require.Zero(t, offset)
					witness = r.handling(quick(), handler)
				}
				r.server.WaitFor("the offset to be deleted", func() bool {
					_, ok := r.server.Committed("s", "t", "g", 0)
					s := witness.Status()
					return !ok && s.Joined && len(s.Partitions) == 1 && !s.Partitions[0].HasCommitted
				})
				stop(t, witness)
				r.conn = r.connect()
				r.send(0, "new/0")
				fresh := r.handling(quick(), handler)
				require.Equal(t, "new/0", got.wait(t, 11)[10])
				r.server.WaitCommitted("s", "t", "g", 0, 0)
				stop(t, fresh)
				require.Len(t, got.all(), 11)
			})
		}
	}
}
