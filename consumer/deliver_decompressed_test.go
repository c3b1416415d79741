package consumer_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// measuringCodec measures what is decoded and not handled.
type measuringCodec struct {
	topic.Codec[[]byte]
	mu         sync.Mutex
	live, most int
}

func (c *measuringCodec) Decode(payload []byte, headers topic.Headers) ([]byte, error) {
	c.add(len(payload))
	return c.Codec.Decode(payload, headers)
}

func (c *measuringCodec) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live += n
	c.most = max(c.most, c.live)
}

func (c *measuringCodec) heaviest() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}

// Promise 5: decompressed payloads keep to max_buffered_bytes, except for one message of each
// partition, however many may be in flight.
//
// It is not parallel, since it measures the heap.
func TestPromiseDecompressedBytesAreBounded(t *testing.T) {
	for _, transport := range []config.Transport{config.TransportNative, config.TransportSDK} {
		for _, compression := range []config.Compression{config.CompressionZstd, config.CompressionGzip} {
			t.Run(string(transport)+" "+string(compression), func(t *testing.T) {
				const size, each, limit = 5_000_000, 15, 12_000_000
				e := newTestEnv(t, 2)
				e.iggy.Transport = transport
				for p := range uint32(2) {
					e.sendCompressed(p, each, size, compression)
				}
				cfg := fastConfig()
				cfg.MaxInFlight, cfg.MaxBufferedBytes = 2*each, limit
				codec := &measuringCodec{Codec: topic.Bytes()}
				c, err := consumer.New(e.iggy, cfg, topic.New("s", "t", codec, topic.Key(func([]byte) string { return "" })))
				require.NoError(t, err)
				t.Cleanup(func() { _ = c.Stop(context.Background()) })
				began, finish := make(chan struct{}, 2*each), make(chan struct{})
				release := sync.OnceFunc(func() { close(finish) })
				t.Cleanup(release) // before the stop, which waits for handlers
				before := heap()
				handled := newDeliveryCount()
				require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[[]byte]) error {
					began <- struct{}{}
					<-finish
					codec.add(-len(m.Value))
					handled.add(location{m.Partition(), m.Offset()})
					return nil
				}))
				require.NoError(t, c.Start(t.Context()))
				for range 2 {
					received(t, "handlers", began)
				}
				require.Less(t, heap(), before+60_000_000)
				require.GreaterOrEqual(t, c.Status().BufferedBytes, int64(size))
				release()
				handled.wait(t, 2*each)
				require.LessOrEqual(t, codec.heaviest(), limit+2*size)
				require.Greater(t, codec.heaviest(), size, "more than one goes when there is room")
				require.NoError(t, c.Stop(t.Context()))
				require.Zero(t, c.Status().BufferedBytes)
			})
		}
	}
}

// heap is the number of bytes that are allocated and in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what was pooled needs two
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return memory.HeapAlloc
}

// A partition whose compressed messages are stuck does not use the part of the others, and a
// message that claims too small a size counts with its true one.
func TestStuckCompressedMessagesLeaveQuotaToOthers(t *testing.T) {
	t.Parallel()
	e := newTestEnv(t, 2)
	e.sendCompressed(0, 20, 1_000_000, config.CompressionGzip)
	// Two members, of which only the last one's size stands at the end.
	lie, err := encoding.Append(nil, config.CompressionGzip, make([]byte, 999_997))
	require.NoError(t, err)
	lie, err = encoding.Append(lie, config.CompressionGzip, []byte("end"))
	require.NoError(t, err)
	require.Equal(t, 3, encoding.Size("gzip", lie))
	var b wire.Batch
	for i := range byte(20) {
		b.Append([16]byte{1, i}, uint64(time.Now().UnixMicro()), lie, wire.AppendHeader(nil, topic.HeaderContentEncoding, "gzip"))
	}
	e.sendBatch(1, &b)
	e.sendCompressed(1, 20, 1_000_000, config.CompressionZstd)
	cfg := fastConfig()
	cfg.MaxInFlight, cfg.MaxBufferedBytes = 40, 2_000_000
	codec := &measuringCodec{Codec: topic.Bytes()}
	c, err := consumer.New(e.iggy, cfg, topic.New("s", "t", codec, topic.Key(func([]byte) string { return "" })))
	require.NoError(t, err)
	finish := make(chan struct{})
	release := sync.OnceFunc(func() { close(finish) })
	handled := newDeliveryCount()
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[[]byte]) error {
		if m.Partition() == 0 {
			<-finish
		}
		codec.add(-len(m.Value))
		handled.add(locationOfBytes(m))
		return nil
	}))
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	t.Cleanup(release)
	handled.wait(t, 40)
	release()
	handled.wait(t, 60)
	require.NoError(t, c.Stop(t.Context()))
	require.LessOrEqual(t, codec.heaviest(), 2_000_000+2*1_000_000)
}
