package consumer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Promise 4: an operator's reset is honoured, back and forth, also while the group is consuming:
// the operator joins it, stores an offset for the partition that is assigned to him and leaves.
func TestPromiseOperatorsResetIsHonoured(t *testing.T) {
	t.Parallel()
	overTransports(t, 2, func(t *testing.T, e *transportEnv) {
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		e.send(0, numbered("a", 20)...)
		e.send(1, numbered("b", 20)...)
		came := make(chan location, 200)
		c := e.handling(fastConfig(), func(_ context.Context, m *consumer.Message[string]) error {
			came <- locationOf(m)
			return nil
		})
		for range 40 {
			received(t, "all messages", came)
		}
		for p := range uint32(2) {
			e.server.WaitCommitted("s", "t", "g", p, 19)
		}

		operator := e.connect()
		group := transport.Group{Stream: "s", Topic: "t", Name: "g"}
		who := transport.Consumer{Stream: "s", Topic: "t", Name: "g", Group: true}
		take := func() uint32 {
			require.NoError(t, operator.Join(ctx, group))
			for {
				for p := range uint32(2) {
					if operator.StoreOffset(ctx, who, p, 19) == nil {
						return p
					}
				}
			}
		}
		p := take()
		require.NoError(t, operator.StoreOffset(ctx, who, p, 9))
		require.NoError(t, operator.Leave(ctx, group))
		for offset := range uint64(10) {
			require.Equal(t, location{p, offset + 10}, received(t, "the messages after the new offset", came))
		}
		e.server.WaitCommitted("s", "t", "g", p, 19)

		c.Pause(p)
		e.send(p, numbered("c", 10)...)
		e.server.WaitMessages("s", "t", 50)
		q := take()
		for q != p { // the server chooses which one it assigns
			require.NoError(t, operator.Leave(ctx, group))
			q = take()
		}
		require.NoError(t, operator.StoreOffset(ctx, who, p, 24))
		require.NoError(t, operator.Leave(ctx, group))
		e.server.WaitFor("the partition to come back", func() bool {
			for _, s := range c.Status().Partitions {
				if s.ID == p && s.HasCommitted && s.Committed == 24 {
					return true
				}
			}
			return false
		})
		c.Resume(p)
		for offset := range uint64(5) {
			require.Equal(t, location{p, offset + 25}, received(t, "the messages after the new offset", came))
		}
		require.Empty(t, came)
	})
}

func TestOperatorsResetIsHonoured(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]config.OnReset{"follow": config.ResetFollow, "latest": config.ResetLatest, "stop": config.ResetStop} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEnv(t, 1)
			e.send(0, numbered("a", 10)...)
			cfg := fastConfig()
			cfg.OnReset = on
			cfg.DedupWindow = 100
			got := newSeen()
			c := e.consumer(cfg, consumer.WithStandalone(consumer.Standalone{Name: "n"}))
			require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
				got.add(m.Value)
				return nil
			}))
			start(t, c)
			got.wait(t, 10)
			e.server.WaitFor("the commit", func() bool { return c.Status().Partitions[0].Committed == 9 })
			who := transport.Consumer{Stream: "s", Topic: "t", Name: "n"}
			require.NoError(t, e.conn.StoreOffset(context.Background(), who, 0, 4))
			switch on {
			case config.ResetFollow:
				require.Equal(t, numbered("a", 10)[5:], got.wait(t, 15)[10:])
			case config.ResetLatest:
				e.server.WaitFor("the end being stored", func() bool {
					offset, _, _ := e.server.Embedded().StoredConsumerOffset("s", "t", "n", 0)
					return offset == 9
				})
				e.send(0, "a/10")
				require.Equal(t, "a/10", got.wait(t, 11)[10])
			case config.ResetStop:
				e.server.WaitFor("the stop", func() bool { return c.Check(context.Background()) != nil })
				require.ErrorContains(t, c.Check(context.Background()), "on_reset: stop")
				require.Len(t, got.all(), 10)
			}
		})
	}
}

func TestResetOfABusyConsumerIsHonoured(t *testing.T) {
	t.Parallel()
	for _, to := range []uint64{0, 9} {
		t.Run(fmt.Sprint("to ", to), func(t *testing.T) {
			t.Parallel()
			resetWhileBusy(t, to)
		})
	}
}

func resetWhileBusy(t *testing.T, to uint64) {
	e := newTestEnv(t, 1)
	e.send(0, numbered("a", 50)...)
	cfg := fastConfig()
	cfg.ProbeInterval, cfg.CommitInterval = 20*time.Second, 10*time.Millisecond
	got := newSeen()
	c := e.consumer(cfg, consumer.WithStandalone(consumer.Standalone{Name: "n"}))
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	got.wait(t, 50)
	who := transport.Consumer{Stream: "s", Topic: "t", Name: "n"}
	e.server.WaitFor("the commit", func() bool {
		offset, ok, _ := e.server.Embedded().StoredConsumerOffset("s", "t", "n", 0)
		return ok && offset == 49
	})
	require.NoError(t, e.conn.StoreOffset(context.Background(), who, 0, to))
	// More messages make the consumer commit before it verifies.
	e.send(0, "b/0")
	got.waitFor(t, "the messages after the reset", func(texts []string) bool {
		n := 0
		for _, text := range texts {
			if text == fmt.Sprint("a/", to+1) {
				n++
			}
		}
		return n == 2
	})
}

func TestOffsetStoredByTheNextOwnerIsNoReset(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	for p := range uint32(2) {
		e.send(p, numbered(fmt.Sprint("k", p), 10)...)
	}
	core, logs := observer.New(zap.WarnLevel)
	log := newHandlerLog()
	cfg := fastConfig()
	cfg.FairAssignment = false
	c := e.worker(cfg, log, 0, consumer.WithLogger(zap.New(core)))
	log.wait(t, 20)
	for p := range uint32(2) {
		e.server.WaitCommitted("s", "t", "g", p, 9)
	}
	group := transport.Group{Stream: "s", Topic: "t", Name: "g"}
	other, transient := e.connect(), e.connect()
	ctx := context.Background()
	e.server.Inject(iggytest.Do(func(iggytest.Request) {
		_ = other.Join(ctx, group)
		_ = transient.Join(ctx, group)
		_ = transient.Leave(ctx, group) // the server rebalances
		_ = other.StoreOffset(ctx, transport.Consumer{Stream: "s", Topic: "t", Name: "g", Group: true}, 1, 5)
	}).On(embedded.GetOffset).When(func(req iggytest.Request) bool {
		return binary.LittleEndian.Uint32(req.Body[len(req.Body)-4:]) == 1
	}).Times(1))
	e.server.WaitFor("the loss of one partition", func() bool { return len(c.Status().Partitions) == 1 })
	require.Empty(t, logs.FilterMessageSnippet("offset reset").All())
	require.Empty(t, logs.FilterMessageSnippet("moved").All())
}
