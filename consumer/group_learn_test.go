package consumer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Promise 4: all partitions are read from the next check on, also when others create topics and
// groups while a member learns its assignment. Each change of the server's metadata disturbs its
// round robin, which can hide all partitions except the first.
func TestPromiseIrregularRoundRobinHidesNoPartition(t *testing.T) {
	t.Parallel()
	overTransports(t, 8, func(t *testing.T, e *transportEnv) {
		for p := range uint32(8) {
			e.send(p, "a/0")
		}
		n := 0
		e.server.Inject(iggytest.Do(func(iggytest.Request) {
			n++
			e.server.CreateGroup("s", "t", fmt.Sprint("other-", n))
		}).On(embedded.PollMessages).Skip(1).Times(3))
		cfg := fastConfig()
		cfg.ProbeInterval = 3 * time.Second
		all := newDeliveryCount()
		e.handling(cfg, func(_ context.Context, m *consumer.Message[string]) error {
			all.add(locationOf(m))
			return nil
		})
		all.wait(t, 8)
	})
}

// Promise 4: a member that asks for a message of a partition which was just assigned to another one
// gets an answer without messages. That does not mean that the log has changed: otherwise the next
// messages would be skipped.
func TestPromiseAnswerToANonOwnerHidesNoMessage(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		const messages = 10
		for p := range uint32(2) {
			e.send(p, numbered("", messages)...)
		}
		c := e.member(fastConfig())
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
			e.server.WaitCommitted("s", "t", "g", p, 4)
		}
		// The answer to a member that does not own it, when the message before the position is compared.
		unowned := e.server.Inject(iggytest.Answer(embedded.StatusOK).On(embedded.PollMessages).When(func(req iggytest.Request) bool {
			// […][u64 offset][u32 count][u8 commit]
			n := len(req.Body)
			return binary.LittleEndian.Uint64(req.Body[n-13:]) == 4 && binary.LittleEndian.Uint32(req.Body[n-5:]) == 1
		}).Times(2))
		e.server.CutConnections()
		unowned.Wait(2)
		for _, m := range held {
			m.Ack() // too late
		}
		for range 2 * (messages - 5) {
			got := received(t, "what was not acknowledged", nextInBackground(t, c))
			require.NoError(t, got.err)
			require.GreaterOrEqual(t, got.m.Offset(), uint64(5))
			got.m.Ack()
		}
		for p := range uint32(2) {
			e.server.WaitCommitted("s", "t", "g", p, messages-1)
		}
	})
}

// Promise 4: a consuming group reads partitions that are added to its topic from their start, and
// continues with the remaining ones when others are deleted.
func TestPromisePartitionsAreAddedAndRemoved(t *testing.T) {
	t.Parallel()
	overServers(t, 2, func(t *testing.T, e *testEnv, cfg config.Consumer) {
		all, anew := newDeliveryCount(), newDeliveryCount()
		handler := func(_ context.Context, m *consumer.Message[string]) error {
			if m.Key() == "anew" {
				anew.add(locationOf(m))
				return nil
			}
			all.add(locationOf(m))
			return nil
		}
		var members []*consumer.Consumer[string]
		for range 2 {
			c := e.consumer(cfg)
			require.NoError(t, c.Handle(handler))
			start(t, c)
			members = append(members, c)
		}
		owned := func() (n int) {
			for _, c := range members {
				n += len(c.Status().Partitions)
			}
			return n
		}
		for p := range uint32(2) {
			e.send(p, numbered("", 50)...)
		}
		all.wait(t, 100)
		change := func(f func(c *tcp.IggyTcpClient) error) {
			e.admin(func(c *tcp.IggyTcpClient) { require.NoError(t, f(c)) })
		}
		change(func(c *tcp.IggyTcpClient) error {
			return c.CreatePartitions(identifier(t, e.stream), identifier(t, "t"), 2)
		})
		for p := range uint32(4) {
			e.send(p, numbered("", 50)...)
		}
		all.wait(t, 300)
		eventually(t, "four partitions to be owned", func() bool { return owned() == 4 })

		change(func(c *tcp.IggyTcpClient) error {
			return c.DeletePartitions(identifier(t, e.stream), identifier(t, "t"), 2)
		})
		for p := range uint32(2) {
			e.send(p, numbered("", 50)...)
		}
		all.wait(t, 400)
		eventually(t, "two partitions to be owned", func() bool { return owned() == 2 })

		// And once more: they begin anew.
		change(func(c *tcp.IggyTcpClient) error {
			return c.CreatePartitions(identifier(t, e.stream), identifier(t, "t"), 1)
		})
		e.send(2, numbered("anew", 60)...)
		anew.wait(t, 60)
		for _, c := range members {
			stop(t, c)
		}
	})
}
