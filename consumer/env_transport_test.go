package consumer_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// The tests named TestPromise… hold the library to docs/guarantees.md, from
// outside: against the embedded server with faults on the way, over both
// transports, by nothing but the exported names.

// overTransports runs test once for each transport, each with a server and a topic of its own.
func overTransports(t *testing.T, partitions uint32, test func(t *testing.T, e *transportEnv)) {
	for _, name := range []config.Transport{config.TransportSDK, config.TransportNative} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			e := &transportEnv{testEnv: newTestEnv(t, partitions)}
			e.cluster = e.iggy
			e.cluster.Transport = name
			e.cluster.Reconnect = config.Backoff{BaseBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, Jitter: 0.2}
			e.cluster.Breaker = config.Breaker{Failures: 50, Delay: 10 * time.Millisecond}
			test(t, e)
		})
	}
}

// transportEnv is a testEnv whose consumers use one of the transports.
type transportEnv struct {
	*testEnv
	cluster config.Iggy
}

// member makes a consumer that is stopped with the test.
func (e *transportEnv) member(cfg config.Consumer, opts ...consumer.Option) *consumer.Consumer[string] {
	e.t.Helper()
	c, err := consumer.New(e.cluster, cfg, e.topic, append([]consumer.Option{consumer.WithLogger(logger(e.t))}, opts...)...)
	require.NoError(e.t, err)
	e.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		_ = c.Stop(ctx)
	})
	return c
}

// handling starts a consumer with a handler.
func (e *transportEnv) handling(cfg config.Consumer, handler func(context.Context, *consumer.Message[string]) error, opts ...consumer.Option) *consumer.Consumer[string] {
	e.t.Helper()
	return e.handlingWithDeadLetters(cfg, nil, handler, opts...)
}

// handlingWithDeadLetters starts a consumer with a handler and dead letters; nil are none.
func (e *transportEnv) handlingWithDeadLetters(cfg config.Consumer, d consumer.DeadLetters[string], handler func(context.Context, *consumer.Message[string]) error, opts ...consumer.Option) *consumer.Consumer[string] {
	e.t.Helper()
	c := e.member(cfg, opts...)
	require.NoError(e.t, c.SetDeadLetters(d))
	require.NoError(e.t, c.Handle(handler))
	start(e.t, c)
	return c
}

// onStore calls f with each offset that a consumer is about to store, except for offsets that no
// log can have, which only ask whether a partition is assigned.
func (e *transportEnv) onStore(f func(partition uint32, offset uint64)) {
	e.server.Inject(iggytest.Do(func(req iggytest.Request) {
		// […][u32 partition][u64 offset]
		n := len(req.Body)
		partition, offset := binary.LittleEndian.Uint32(req.Body[n-12:]), binary.LittleEndian.Uint64(req.Body[n-8:])
		if offset < 1<<61 {
			f(partition, offset)
		}
	}).On(embedded.StoreOffset))
}

// reconnected cuts the connections and waits until partitions are assigned again and messages are
// prefetched.
func (e *transportEnv) reconnected(c *consumer.Consumer[string], held []*consumer.Message[string]) {
	e.t.Helper()
	e.server.CutConnections()
	for _, m := range held {
		received(e.t, "the context to end", m.Context().Done())
		require.ErrorIs(e.t, context.Cause(m.Context()), consumer.ErrLost)
	}
	e.server.WaitFor("the partition to come back", func() bool {
		s := c.Status()
		return s.Joined && len(s.Partitions) == 1 && s.Buffered > 0
	})
}
