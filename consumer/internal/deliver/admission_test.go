package deliver_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestDedupKeepsTheLatestIDs(t *testing.T) {
	t.Parallel()
	id := func(n int) [16]byte { return [16]byte{0: 1, 15: byte(n)} }
	d := deliver.NewDedup(2)
	require.False(t, d.Repeated(id(1)))
	require.True(t, d.Repeated(id(1)), "not settled")
	d.Forget(id(1))
	require.False(t, d.Repeated(id(1)), "forgotten")
	d.Settled(id(1))
	d.ForgetOpen()
	require.True(t, d.Repeated(id(1)), "settled ids outlast the assignment")
	for n := 2; n <= 3; n++ {
		require.False(t, d.Repeated(id(n)))
		d.Settled(id(n))
	}
	require.False(t, d.Repeated(id(1)), "the window holds two")
	d.ForgetOpen()
	require.True(t, d.Repeated(id(3)))
	d.Reset()
	require.False(t, d.Repeated(id(3)))
	require.False(t, d.Repeated([16]byte{}))
	require.False(t, d.Repeated([16]byte{}), "no id is no repetition")
	off := deliver.NewDedup(0)
	require.False(t, off.Repeated(id(1)))
	off.Settled(id(1))
	require.False(t, off.Repeated(id(1)))
}

func TestMessagesWithAnIDSeenBeforeAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.DedupWindow = 100
		s := newSetup(t, cfg)
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			got.add(fmt.Sprint(m.Raw.Offset))
			if m.Raw.Offset == 3 {
				<-m.Queue().Context().Done()
			}
			return nil
		})
		p := s.assign(1)[0]
		twice := func(p *partition, from, to byte) {
			messages := p.messages(distinct("k", int(to-from))...)
			for i := range messages {
				messages[i].ID = [16]byte{9, from + byte(i)}
			}
			p.Offer(deliver.NewBatch(messages, 0, nil, nil))
		}
		twice(p, 0, 5)
		twice(p, 0, 5)
		synctest.Wait()
		require.Len(t, got.all(), 5)
		require.EqualValues(t, 5, p.Counters().Duplicates)
		require.EqualValues(t, 3, p.progress.acknowledged().Seq)
		p.Lose(errLost)
		synctest.Wait()

		// What was acknowledged is not handled again in the next assignment, and what was not is.
		p = s.again(p)
		p.rewind(100)
		twice(p, 0, 7)
		synctest.Wait()
		require.Equal(t, []string{"103", "105", "106"}, got.all()[5:])

		p.Lose(errLost)
		a := &partition{p: p.p, progress: &progress{}, owner: &owner{}, next: 200}
		a.Queue = p.p.NewQueue(t.Context(), deliver.QueueOptions{Owner: a.owner, Progress: a.progress, Replay: true, Acknowledged: 199, HasAcknowledged: true})
		s.all[0] = a
		s.share()
		require.EqualValues(t, 199, a.Prefix().Offset)
		twice(a, 0, 7)
		synctest.Wait()
		require.Len(t, got.all(), 15)
		require.EqualValues(t, 206, a.Prefix().Offset)
	})
}

// compressed makes n messages whose payloads are zeros behind a text.
func (p *partition) compressed(t testing.TB, n, size int, c config.Compression) []wire.Message {
	payload, err := encoding.Append(nil, c, append([]byte("/"), make([]byte, size-1)...))
	require.NoError(t, err)
	messages := p.messages(make([]string, n)...)
	for i := range messages {
		messages[i].Payload = payload
		messages[i].Headers = wire.AppendHeader(nil, topic.HeaderContentEncoding, string(c))
	}
	return messages
}

// What compressed messages grow to keeps to max_buffered_bytes, but for a message of each
// partition.
func TestDecompressedBytesAreBounded(t *testing.T) {
	for _, compression := range []config.Compression{config.CompressionS2, config.CompressionGzip} {
		t.Run(string(compression), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				const size, each, limit = 50_000, 15, 120_000
				cfg := settings()
				cfg.MaxInFlight, cfg.MaxBufferedBytes = 2*each, limit
				s := newSetup(t, cfg)
				var mu sync.Mutex
				live, most, handled := 0, 0, 0
				s.app.hook = func(text string) {
					mu.Lock()
					defer mu.Unlock()
					live += len(text)
					most = max(most, live)
				}
				s.pool.Handle(func(m *deliver.Message) error {
					time.Sleep(time.Second)
					mu.Lock()
					defer mu.Unlock()
					live -= len(text(m))
					if m.Deliveries() == 1 {
						return errBusy // it is decompressed again
					}
					handled++
					return nil
				})
				for _, p := range s.assign(2) {
					p.Offer(deliver.NewBatch(p.compressed(t, each, size, compression), 0, nil, nil))
				}
				synctest.Wait()
				require.GreaterOrEqual(t, s.pool.Usage().DecompressedBytes, size)
				require.Equal(t, deliver.LimitDecompressed, s.all[0].State().Limit)
				pass(time.Hour)
				require.Equal(t, 2*each, handled)
				require.LessOrEqual(t, most, limit+2*size)
				require.Greater(t, most, size, "more than one goes when there is room")
				require.Zero(t, s.pool.Usage().DecompressedBytes)
			})
		})
	}
}

// Messages are decompressed together as far as they surely have room. The size of gzip is not sure.
func TestCompressedMessagesAreDecodedTogether(t *testing.T) {
	for compression, chunks := range map[config.Compression]int64{
		config.CompressionS2: 4, config.CompressionZstd: 4, config.CompressionGzip: 100,
	} {
		t.Run(string(compression), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cfg := settings()
				cfg.MaxInFlight = 200
				s := newSetup(t, cfg)
				var got seen
				s.pool.Handle(func(m *deliver.Message) error {
					got.add(text(m))
					return nil
				})
				p := s.assign(1)[0]
				p.Offer(deliver.NewBatch(p.compressed(t, 100, 10_000, compression), 0, nil, nil))
				synctest.Wait()
				require.Len(t, got.all(), 100)
				require.Equal(t, chunks, s.app.chunks.Load())
				require.Zero(t, s.pool.Usage().DecompressedBytes)
			})
		})
	}
}

// A partition whose compressed messages are stuck takes nothing of the others' part, and a message
// that claims too little is counted for what it is.
func TestStuckCompressedMessagesLeaveOthersTheirPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight, cfg.MaxBufferedBytes = 60, 20_000
		s := newSetup(t, cfg)
		release := make(chan struct{})
		var got seen
		s.pool.Handle(func(m *deliver.Message) error {
			if m.Queue().ID() == 0 {
				<-release
			}
			got.add(text(m))
			return nil
		})
		all := s.assign(2)
		all[0].Offer(deliver.NewBatch(all[0].compressed(t, 20, 10_000, config.CompressionGzip), 0, nil, nil))
		lie, err := encoding.Append(nil, config.CompressionGzip, []byte("/"+strings.Repeat("x", 9_996)))
		require.NoError(t, err)
		lie, err = encoding.Append(lie, config.CompressionGzip, []byte("end"))
		require.NoError(t, err)
		lies := all[1].compressed(t, 20, 10_000, config.CompressionGzip)
		for i := range lies {
			lies[i].Payload = lie
		}
		all[1].Offer(deliver.NewBatch(lies, 0, nil, nil))
		pass(time.Minute)
		require.Len(t, got.all(), 20)
		require.LessOrEqual(t, s.pool.Usage().DecompressedBytes, 20_000+10_000)
		close(release)
		pass(time.Minute)
		require.Len(t, got.all(), 40)
		require.Zero(t, s.pool.Usage().DecompressedBytes)
	})
}

// The memory of a batch is used again when its last message is settled, unless someone keeps a
// payload.
func TestMemoryOfABatchIsUsedAgainOnlyWhenNobodyNeedsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSetup(t, settings())
		var box sync.Map
		s.app.letters = func(_ context.Context, m *deliver.Message, _ error, _ string, _ int) error {
			box.Store(m.Raw.Offset, m.Raw.Payload)
			return nil
		}
		p := s.assign(1)[0]
		var events seen
		offer := func(name string, texts ...string) {
			messages := p.messages(texts...)
			for i := range messages {
				messages[i].Payload = bytes.Clone(messages[i].Payload)
			}
			p.Offer(deliver.NewBatch(messages, 0, func() {
				for i := range messages {
					clear(messages[i].Payload)
				}
				events.add("recycle " + name)
			}, func() { events.add("release " + name) }))
		}
		offer("first", "a/0", "b/0")
		held := s.take(2)
		held[0].Ack()
		require.Empty(t, events.all())
		held[1].Ack()
		require.Equal(t, []string{"recycle first", "release first"}, events.all())
		require.Nil(t, held[0].Payload(), "the memory is used again")

		offer("second", "c/0", "d/0")
		held = s.take(2)
		payload := held[0].Payload()
		held[0].Ack()
		held[1].Ack()
		require.Equal(t, "release second", events.all()[2])
		require.Equal(t, "c/0", string(payload))
		require.Equal(t, "d/0", string(held[1].Payload()))

		offer("third", "e/0", "!f", "g/0")
		held = s.take(2)
		held[0].Nack(deliver.RetryAfter(time.Hour, nil))
		held[1].GiveBack()
		again := s.take(1)[0]
		require.Equal(t, "g/0", text(again))
		again.Ack()
		synctest.Wait()
		require.Equal(t, "release third", events.all()[3], "a dead letter keeps the payload")
		kept, ok := box.Load(uint64(5))
		require.True(t, ok)
		require.Equal(t, "!f", string(kept.([]byte)))
		pass(time.Hour)
		again = s.take(1)[0]
		require.Equal(t, "e/0", text(again))
		require.Equal(t, "e/0", string(again.Payload()))
		again.Ack()
		require.Equal(t, "e/0", string(again.Payload()), "it has memory of its own")
		require.EqualValues(t, 7, p.progress.acknowledged().Seq)
	})
}

func TestBufferIsCountedAndMoreIsWanted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.MaxInFlight = 1000
		s := newSetup(t, cfg)
		p := s.begin(s.pool.NewPartition("t", 0))
		s.all = append(s.all, p)
		p.Pause(true)
		s.share()
		for range 3 {
			p.Offer(deliver.NewBatch(p.messages(distinct("k", 200)...), 10, nil, nil))
		}
		require.False(t, p.Offer(deliver.NewBatch(nil, 0, nil, nil)))
		batches, messages, size := p.Buffered()
		require.Equal(t, []int{3, 600, 30}, []int{batches, messages, size})
		require.Zero(t, p.owner.more)
		next, ok := p.State().Next, p.State().HasNext
		require.True(t, ok)
		require.Zero(t, next)
		p.Pause(false)
		for i := range 250 {
			m := s.take(1)[0]
			require.EqualValues(t, i, m.Raw.Offset)
			m.Ack()
		}
		batches, _, size = p.Buffered()
		require.Equal(t, []int{2, 20}, []int{batches, size})
		require.Equal(t, 1, p.owner.more)
		p.Lose(errLost)
		batches, messages, size = p.Buffered()
		require.Equal(t, []int{0, 0}, []int{batches, messages})
		require.Zero(t, size)
	})
}
