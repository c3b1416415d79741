package main

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// heapBytes returns the bytes of the heap's objects, with those that are not collected yet. It does
// not stop the program.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// liveHeapBytes collects the garbage and returns the bytes of the objects that stay.
func liveHeapBytes() uint64 {
	runtime.GC()
	runtime.GC() // pools give up their memory in the second collection
	return heapBytes()
}

// heapWatch reads the size of the heap every few milliseconds.
type heapWatch struct {
	end     chan struct{}
	reading sync.WaitGroup
	peak    uint64
}

func watchHeap() *heapWatch {
	w := &heapWatch{end: make(chan struct{})}
	w.reading.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			w.peak = max(w.peak, heapBytes())
			select {
			case <-tick.C:
			case <-w.end:
				return
			}
		}
	})
	return w
}

// stop ends the watch and returns the largest size, that at the end included.
func (w *heapWatch) stop() uint64 {
	close(w.end)
	w.reading.Wait()
	return max(w.peak, heapBytes())
}

// above returns how far size is above base.
func above(size, base uint64) float64 { return float64(size - min(size, base)) }
