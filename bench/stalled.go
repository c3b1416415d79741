package main

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// measureStalled fills a producer's buffer while the server does not read, and looks
// at the heap.
func measureStalled(ctx context.Context, b *bench) error {
	proxy, err := newValve(b.target.address)
	if err != nil {
		return err
	}
	defer proxy.close()
	topic, remove, err := b.newTopic()
	if err != nil {
		return err
	}
	defer remove()
	cluster, cfg := b.cluster(), config.Default().Producer
	cluster.Endpoint = "iggy://" + proxy.listener.Addr().String()
	cluster.RequestTimeout = time.Minute // it stays stalled
	cfg.MaxBufferedMessages = 10_000_000 // the bytes are the bound
	cfg.DrainTimeout = 100 * time.Millisecond
	p, err := producer.New(cluster, cfg)
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	if err := b.sendAsync(ctx, p, topic, b.amount(100_000)); err != nil {
		return err
	}
	runtime.GC()
	runtime.GC()
	before := heapBytes()
	proxy.shut.Store(true)

	sending, cancel := context.WithCancel(ctx)
	var sender sync.WaitGroup
	sender.Go(func() {
		r := producer.Message{Stream: b.stream, Topic: topic, Payload: b.payload}
		for i := 0; sending.Err() == nil; i++ {
			r.Key = b.keys[i%keyCount]
			p.SendAsync(sending, r, nil)
		}
	})
	var peak, buffered uint64
	full := time.Now()
	for time.Since(full) < 2*time.Second {
		status := p.Status()
		if status.Waiting == 0 {
			full = time.Now()
		}
		buffered = max(buffered, uint64(status.BufferedBytes))
		peak = max(peak, heapBytes()-min(before, heapBytes()))
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	sender.Wait()
	_ = p.Stop(ctx) // reports what the stall left
	ceiling := float64(cfg.MaxBufferedBytes)
	b.table.add("send_stalled_heap_vs_ceiling", float64(peak)/ceiling, "highest heap above the idle producer's, to producer.max_buffered_bytes", atMost(1.25))
	b.table.add("send_stalled_buffered_vs_ceiling", float64(buffered)/ceiling, "highest buffered bytes, to producer.max_buffered_bytes", atMost(1))
	return nil
}

func heapBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// valve is a proxy that can stop reading from its clients.
type valve struct {
	listener net.Listener
	upstream string
	shut     atomic.Bool
	open     context.Context // ends when the valve is closed
	cancel   context.CancelFunc
	relays   sync.WaitGroup
}

func newValve(upstream string) (*valve, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &valve{listener: listener, upstream: upstream}
	v.open, v.cancel = context.WithCancel(context.Background())
	v.relays.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			v.relays.Go(func() { v.relay(client) })
		}
	})
	return v, nil
}

func (v *valve) relay(client net.Conn) {
	server, err := net.Dial("tcp", v.upstream)
	if err != nil {
		_ = client.Close()
		return
	}
	end := sync.OnceFunc(func() {
		_ = client.Close()
		_ = server.Close()
	})
	defer context.AfterFunc(v.open, end)()
	v.relays.Go(func() {
		_, _ = io.Copy(client, server)
		end()
	})
	defer end()
	buffer := make([]byte, 64<<10)
	for {
		if v.shut.Load() {
			<-v.open.Done()
			return
		}
		n, err := client.Read(buffer)
		if n > 0 {
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (v *valve) close() {
	v.cancel()
	_ = v.listener.Close()
	v.relays.Wait()
}
