package consumer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// Messages that the server refuses by their offsets, since it was killed before them, are
// handled in their turn, and compared after a reconnection like others.
func TestRefusedMessagesAreReadByTheirTime(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string][]uint64{
		"the first": {0}, "one": {4}, "neighbours": {4, 5, 6}, "the last": {9}, "several": {0, 1, 5, 8, 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(1)
				for _, text := range numbered("k", 10) {
					server.append(0, text)
					time.Sleep(time.Millisecond) // they have different times
				}
				server.unreadable = map[uint64]bool{}
				for _, offset := range refused {
					server.unreadable[offset] = true
				}
				var mu sync.Mutex
				var got []string
				c := bubbled(t, server, func(cfg *config.Consumer) { cfg.CommitInterval = time.Hour }, func(_ context.Context, m *consumer.Message[string]) error {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, m.Value)
					return nil
				})
				time.Sleep(10 * time.Second)
				stored, _ := server.committed()
				require.Empty(t, stored)
				server.crash(func() {})
				server.append(0, "k/10")
				time.Sleep(10 * time.Second)
				require.NoError(t, c.Stop(context.Background()))
				require.Equal(t, numbered("k", 11), got)
				stored, _ = server.committed()
				require.EqualValues(t, 10, stored[0])
			})
		})
	}
}

// A message that cannot be had by its time either is said to be so, and the connection and other
// partitions don't suffer from it.
func TestUnreadableMessageIsSaidOnce(t *testing.T) {
	t.Parallel()
	for name, garbled := range map[string]bool{"no answer by time": false, "an answer that makes no sense": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(2)
				server.append(0, numbered("k", 10)...) // all of one time
				server.unreadable, server.garbled = map[uint64]bool{4: true}, garbled
				core, logs := observer.New(zap.WarnLevel)
				l := newLedger()
				c := bubbled(t, server, func(cfg *config.Consumer) { cfg.CommitInterval = 0 }, func(_ context.Context, m *consumer.Message[string]) error {
					l.done(fmt.Sprint(m.Partition(), m.Value))
					return nil
				}, consumer.WithLogger(zap.New(core)))
				time.Sleep(10 * time.Second)
				server.append(1, "k/0", "k/1", "k/2")
				time.Sleep(50 * time.Second)
				said := logs.FilterMessage("poll refused, retrying").All()
				require.Len(t, said, 1)
				require.EqualValues(t, 4, said[0].ContextMap()["offset"])
				require.Equal(t, 4+3, l.distinct())
				stored, _ := server.committed()
				require.EqualValues(t, 3, stored[0])
				require.EqualValues(t, 2, stored[1])
				require.ErrorContains(t, c.Status().LastError, "invalid offset")
				require.LessOrEqual(t, server.counted("join"), 2*2) // the group and the notice group
				require.NoError(t, c.Stop(context.Background()))
			})
		})
	}
}
