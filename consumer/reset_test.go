package consumer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestOperatorsResetOfABusyConsumerIsHonoured(t *testing.T) {
	t.Parallel()
	for _, to := range []uint64{0, 9} {
		t.Run(fmt.Sprint("to ", to), func(t *testing.T) {
			t.Parallel()
			resetWhileBusy(t, to)
		})
	}
}

func resetWhileBusy(t *testing.T, to uint64) {
	r := newRig(t, 1)
	r.send(0, numbered("a", 50)...)
	cfg := quick()
	cfg.ProbeInterval, cfg.CommitInterval = 20*time.Second, 10*time.Millisecond
	got := newSeen()
	c := r.consumer(cfg, consumer.WithStandalone(consumer.Standalone{Name: "n"}))
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		got.add(m.Value)
		return nil
	}))
	start(t, c)
	got.wait(t, 50)
	who := transport.Consumer{Stream: "s", Topic: "t", Name: "n"}
	r.server.WaitFor("the commit", func() bool {
		offset, ok, _ := r.server.Embedded().StoredConsumerOffset("s", "t", "n", 0)
		return ok && offset == 49
	})
	require.NoError(t, r.conn.StoreOffset(context.Background(), who, 0, to))
	// More messages make the consumer commit before it has looked around.
	r.send(0, "b/0")
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

func TestOffsetThatTheNextOwnerStoredIsNoReset(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	for p := range uint32(2) {
		r.send(p, numbered(fmt.Sprint("k", p), 10)...)
	}
	core, logs := observer.New(zap.WarnLevel)
	l := newLedger()
	cfg := quick()
	cfg.FairAssignment = false
	c := r.worker(cfg, l, 0, consumer.WithLogger(zap.New(core)))
	l.wait(t, 20)
	for p := range uint32(2) {
		r.server.WaitCommitted("s", "t", "g", p, 9)
	}
	group := transport.Group{Stream: "s", Topic: "t", Name: "g"}
	other, passer := r.connect(), r.connect()
	ctx := context.Background()
	r.server.Inject(iggytest.Do(func(iggytest.Request) {
		_ = other.Join(ctx, group)
		_ = passer.Join(ctx, group)
		_ = passer.Leave(ctx, group) // deals evenly
		_ = other.StoreOffset(ctx, transport.Consumer{Stream: "s", Topic: "t", Name: "g", Group: true}, 1, 5)
	}).On(embedded.GetOffset).When(func(req iggytest.Request) bool {
		return binary.LittleEndian.Uint32(req.Body[len(req.Body)-4:]) == 1
	}).Times(1))
	r.server.WaitFor("the loss of one partition", func() bool { return len(c.Status().Partitions) == 1 })
	require.Empty(t, logs.FilterMessageSnippet("offset reset").All())
	require.Empty(t, logs.FilterMessageSnippet("moved").All())
}

func TestRemovedPartitionEndsUnderAStandaloneConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.send(0, "a/0")
	r.send(1, "b/0")
	core, logs := observer.New(zap.WarnLevel)
	l := newLedger()
	c := r.worker(quick(), l, 0, consumer.WithStandalone(consumer.Standalone{Name: "n"}), consumer.WithLogger(zap.New(core)))
	l.wait(t, 2)
	r.admin(func(admin *tcp.IggyTcpClient) {
		require.NoError(t, admin.DeletePartitions(identifier(t, "s"), identifier(t, "t"), 1))
	})
	r.server.WaitFor("the loss of the partition", func() bool { return len(c.Status().Partitions) == 1 })
	r.send(0, "a/1")
	l.wait(t, 3)
	require.Empty(t, logs.FilterMessageSnippet("offset reset").All())
	require.Empty(t, logs.FilterMessageSnippet("moved").All())
	require.NoError(t, c.Check(context.Background()))
}

// A Seek to the start outlives a connection that ends before anything is committed, like one to
// any other offset.
func TestSeekOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]consumer.Position{"start": consumer.First(), "offset": consumer.Offset(0), "middle": consumer.Offset(3)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.send(0, numbered("", 10)...)
			c := r.consumer(quick())
			start(t, c)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for range 10 {
				m, err := c.Next(ctx)
				require.NoError(t, err)
				m.Ack()
			}
			r.server.WaitCommitted("s", "t", "g", 0, 9)
			require.NoError(t, c.Seek(ctx, 0, to))
			m, err := c.Next(ctx)
			require.NoError(t, err)
			sought := m.Offset()
			r.server.CutConnections()
			<-m.Context().Done()
			m.Ack() // has no effect
			again, err := c.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, sought, again.Offset())
			again.Ack()
			stop(t, c)
		})
	}
}
