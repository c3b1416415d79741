package consumer_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
)

// Messages that the server refuses by their offsets, since it was killed before they were stored,
// are handled in order, and compared after a reconnection like others.
func TestRefusedMessagesAreReadByTimestamp(t *testing.T) {
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
				c := startInBubble(t, server, func(cfg *config.Consumer) { cfg.CommitInterval = time.Hour }, func(_ context.Context, m *consumer.Message[string]) error {
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
