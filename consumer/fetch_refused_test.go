package consumer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// A message that can't be read by its time either is logged, and the connection and other
// partitions are not affected.
func TestUnreadableMessageIsLoggedOnce(t *testing.T) {
	t.Parallel()
	for name, garbled := range map[string]bool{"no answer by time": false, "an answer that makes no sense": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := newFakeServer(2)
				server.append(0, numbered("k", 10)...) // all of one time
				server.unreadable, server.garbled = map[uint64]bool{4: true}, garbled
				core, logs := observer.New(zap.WarnLevel)
				log := newHandlerLog()
				c := startInBubble(t, server, func(cfg *config.Consumer) { cfg.CommitInterval = 0 }, func(_ context.Context, m *consumer.Message[string]) error {
					log.done(fmt.Sprint(m.Partition(), m.Value))
					return nil
				}, consumer.WithLogger(zap.New(core)))
				time.Sleep(10 * time.Second)
				server.append(1, "k/0", "k/1", "k/2")
				time.Sleep(50 * time.Second)
				said := logs.FilterMessage("poll refused, retrying").All()
				require.Len(t, said, 1)
				require.EqualValues(t, 4, said[0].ContextMap()["offset"])
				require.Equal(t, 4+3, log.distinct())
				stored, _ := server.committed()
				require.EqualValues(t, 3, stored[0])
				require.EqualValues(t, 2, stored[1])
				require.ErrorContains(t, c.Status().LastError, "invalid offset")
				require.LessOrEqual(t, server.counted("join"), 2*2) // the group and the coordination group
				require.NoError(t, c.Stop(context.Background()))
			})
		})
	}
}

func TestPollCountFallsAfterATimeout(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 1)
	e.iggy.RequestTimeout = 300 * time.Millisecond
	e.send(0, numbered("a", 400)...)
	// A poll of more than 50 messages gets no answer in time.
	slow := e.server.Inject(iggytest.Silence().On(embedded.PollMessages).When(func(req iggytest.Request) bool {
		return pollCount(req) > 50
	}))
	cfg := fastConfig()
	cfg.MaxInFlight, cfg.BatchSize = 500, 300
	log := newHandlerLog()
	e.worker(cfg, log, 0)
	slow.Wait(1)
	log.wait(t, 50)
}

// pollCount is the number of messages that a poll asks for: it stands before the last byte of the
// request.
func pollCount(r iggytest.Request) uint32 {
	return binary.LittleEndian.Uint32(r.Body[len(r.Body)-5:])
}
