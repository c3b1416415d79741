//go:build unix

package deliver_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// plain decodes nothing and finds no keys, unless keys are wanted.
type plain struct {
	app
	keys []string
}

func (a *plain) Park(context.Context, *deliver.Message, time.Time, int) error { return nil }

func (a *plain) Decode(_ *deliver.Queue, raw []wire.Message, dst []*deliver.Message) []*deliver.Message {
	entries := make([]entry, len(raw))
	for i := range raw {
		e := &entries[i]
		e.m.Raw, e.m.Value = &raw[i], &e.v
		if a.keys != nil {
			e.m.Key = a.keys[int(raw[i].Offset)%len(a.keys)]
		}
		dst = append(dst, &e.m)
	}
	return dst
}

// benchmark delivers messages of some partitions, which one goroutine offers in batches of 500: one
// for each iteration.
func benchmark(b *testing.B, partitions int, keys []string, cfg config.Consumer, handle func(s *deliver.Pool, done func(n int))) {
	a := &plain{keys: keys}
	pool := deliver.NewPool(deliver.PoolOptions{Config: cfg, App: a})
	var handled, goal atomic.Int64
	goal.Store(-1)
	finished := make(chan struct{}, 1)
	finish := func() {
		if handled.Load() == goal.Load() {
			select {
			case finished <- struct{}{}:
			default:
			}
		}
	}
	handle(pool, func(n int) {
		handled.Add(int64(n))
		finish()
	})
	var queues []*deliver.Queue
	var all []*partition
	wake := make(chan struct{}, 1)
	for i := range partitions {
		p := &partition{p: pool.NewPartition("t", uint32(i)), progress: &progress{}, owner: &owner{}}
		p.Queue = p.p.NewQueue(context.Background(), deliver.QueueOptions{Owner: waker{p.owner, wake}, Progress: p.progress})
		queues, all = append(queues, p.Queue), append(all, p)
	}
	pool.SetQueues(queues...)
	const batch = 500
	payload := make([]byte, 512)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, used := time.Now(), cpu()
	next := 0 // the partition after the one that got the last batch
	for b.Loop() {
		for refused := 0; ; refused++ {
			if refused == len(all) {
				<-wake
				refused = 0
			}
			p := all[next%len(all)]
			next++
			if polls, _, _ := p.Buffered(); polls >= 2 {
				continue
			}
			messages := make([]wire.Message, batch)
			for i := range messages {
				messages[i].Offset, messages[i].Payload = p.next, payload
				p.next++
			}
			p.Offer(deliver.NewBatch(messages, batch*512, nil, nil))
			break
		}
	}
	n := int64(b.N) * batch
	goal.Store(n)
	finish()
	<-finished
	elapsed := time.Since(began)
	used = cpu() - used
	runtime.ReadMemStats(&after)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(elapsed.Nanoseconds())/float64(n), "ns/message")
	b.ReportMetric(float64(used.Nanoseconds())/float64(n), "cpu-ns/message")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(n), "allocs/message")
	pool.Close()
	for _, q := range queues {
		q.Lose(errLost)
	}
	_ = pool.Wait(context.Background())
}

type waker struct {
	*owner
	wake chan struct{}
}

func (w waker) BatchAdmitted() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func BenchmarkDeliver(b *testing.B) {
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	large := config.DefaultConsumer("g")
	large.MaxInFlight, large.CommitEvery = 10_000, 10_000
	handler := func(p *deliver.Pool, done func(int)) {
		p.Handle(func(*deliver.Message) error {
			done(1)
			return nil
		})
	}
	batches := func(p *deliver.Pool, done func(int)) {
		p.HandleBatch(func(ms []*deliver.Message) error {
			done(len(ms))
			return nil
		})
	}
	next := func(p *deliver.Pool, done func(int)) {
		go func() {
			for {
				m, err := p.Next(context.Background())
				if err != nil {
					return
				}
				m.Ack()
				done(1)
			}
		}()
	}
	for _, partitions := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprintf("handler/%d partitions", partitions), func(b *testing.B) {
			benchmark(b, partitions, nil, config.DefaultConsumer("g"), handler)
		})
	}
	b.Run("handler/8 partitions with keys", func(b *testing.B) { benchmark(b, 8, keys, config.DefaultConsumer("g"), handler) })
	b.Run("handler/8 partitions one key", func(b *testing.B) { benchmark(b, 8, keys[:1], config.DefaultConsumer("g"), handler) })
	b.Run("handler/8 partitions large limit", func(b *testing.B) { benchmark(b, 8, nil, large, handler) })
	for _, partitions := range []int{1, 8} {
		b.Run(fmt.Sprintf("batch/%d partitions", partitions), func(b *testing.B) {
			benchmark(b, partitions, nil, config.DefaultConsumer("g"), batches)
		})
		b.Run(fmt.Sprintf("next/%d partitions", partitions), func(b *testing.B) {
			benchmark(b, partitions, nil, config.DefaultConsumer("g"), next)
		})
	}
}

// cpu is the time that the process has computed.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
