package consumer_test

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 4: a server that was killed brings a partition back empty and its stored offset as 0. Whoever
// sees that deletes the offset, so that a process that starts later, when there is a new message at 0, does not take that
// for handled.
func TestPromiseOffsetOfALostLogHidesNoMessage(t *testing.T) {
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

// Promise 4: a member that asks for a message of a partition which was just dealt to another one gets an answer
// without messages. That does not mean that the log is not the same any more, or what comes after would be skipped.
func TestPromiseAnswerOfNoOwnerHidesNoMessage(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, r *transportRig) {
		const messages = 10
		for p := range uint32(2) {
			r.send(p, numbered("", messages)...)
		}
		c := r.member(quick())
		start(t, c)
		var held []*consumer.Message[string]
		for range 2 * messages {
			m, err := c.Next(t.Context())
			require.NoError(t, err)
			if m.Offset() < 5 {
				m.Ack()
			} else {
				held = append(held, m)
			}
		}
		for p := range uint32(2) {
			r.server.WaitCommitted("s", "t", "g", p, 4)
		}
		// As it answers who does not own it, when the message before the place to go on at is compared.
		unowned := r.server.Inject(iggytest.Answer(embedded.StatusOK).On(embedded.PollMessages).When(func(req iggytest.Request) bool {
			// […][u64 offset][u32 count][u8 commit]
			n := len(req.Body)
			return binary.LittleEndian.Uint64(req.Body[n-13:]) == 4 && binary.LittleEndian.Uint32(req.Body[n-5:]) == 1
		}).Times(2))
		r.server.CutConnections()
		unowned.Wait(2)
		for _, m := range held {
			m.Ack() // too late
		}
		for range 2 * (messages - 5) {
			got := received(t, "what was not acknowledged", asked(t, c))
			require.NoError(t, got.err)
			require.GreaterOrEqual(t, got.m.Offset(), uint64(5))
			got.m.Ack()
		}
		for p := range uint32(2) {
			r.server.WaitCommitted("s", "t", "g", p, messages-1)
		}
	})
}
