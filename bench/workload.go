package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// workload is what a row sends or reads, and how far the server is.
type workload struct {
	topics      int
	partitions  int           // of each topic
	payload     int           // bytes of a message
	roundTrip   time.Duration // to the server
	compression config.Compression
}

// base is the workload of every row that does not name another one.
var base = workload{topics: 1, partitions: 8, payload: 512, compression: config.CompressionNone}

// distant returns the workload with a server that is farther away.
func (w workload) distant(roundTrip time.Duration) workload {
	w.roundTrip = roundTrip
	return w
}

// batch is the number of messages of a request of the SDK's loops and of the prepared frames.
func (w workload) batch() int { return min(max(maxBatchBytes/w.payload, 1), batchSize) }

// message makes the payload of the messages.
func (w workload) message() []byte {
	if w.compression != config.CompressionNone {
		return text(w.payload)
	}
	p := make([]byte, w.payload)
	for i := range p {
		p[i] = byte(i)
	}
	return p
}

// text makes so many bytes of JSON, the last object cut off. They compress to about a third.
func text(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2)) // the same in each run
	var b bytes.Buffer
	b.WriteByte('[')
	for b.Len() < size {
		fmt.Fprintf(&b, `{"job_id":"job-%d","state":"DOWNLOADED","bytes":%d,"url":"https://example.com/files/%x"},`,
			random.IntN(1000), random.IntN(1<<24), random.Uint32())
	}
	return b.Bytes()[:size]
}

// place is where a row is measured: a workload, and connections over its distance.
type place struct {
	*bench
	workload
	address string             // of the server, or of the relay in front of it
	client  *tcp.IggyTcpClient // the SDK's contender
	content []byte             // the payload of the messages
	frames  *frames
	heap    uint64 // the size of the heap without the library
	closers []func()
}

// place connects to the server over the distance of a workload. The messages of the prepared frames
// have the given form.
func (b *bench) place(ctx context.Context, w workload, f form) (*place, error) {
	at := &place{bench: b, workload: w, address: b.target.address, client: b.client, content: w.message()}
	if err := at.connect(ctx, f); err != nil {
		at.close()
		return nil, err
	}
	at.heap = liveHeapBytes()
	return at, nil
}

func (at *place) connect(ctx context.Context, f form) error {
	if at.roundTrip > 0 {
		address, stop, err := startChild(ctx, delayArgument, at.target.address, (at.roundTrip / 2).String())
		if err != nil {
			return err
		}
		at.closers = append(at.closers, stop)
		at.address = address
		if at.client, err = at.sdk(address); err != nil {
			return err
		}
		at.closers = append(at.closers, func() { _ = at.client.Close() })
	}
	payload, headers, err := f.stored(at)
	if err != nil {
		return err
	}
	at.frames, err = dialFrames(ctx, at.address, at.target, at.batch(), payload, headers)
	if err == nil {
		at.closers = append(at.closers, at.frames.close)
	}
	return err
}

// close closes the connections and deletes the topics that are left.
func (at *place) close() {
	for _, c := range slices.Backward(at.closers) {
		c()
	}
}

// newTopics creates the topics of the workload. remove deletes them.
func (at *place) newTopics() (names []string, remove func(), err error) {
	var removes []func()
	remove = func() {
		for _, r := range removes {
			r()
		}
	}
	for range at.topics {
		name, r, err := at.newTopic(at.partitions)
		if err != nil {
			remove()
			return nil, nil, err
		}
		names, removes = append(names, name), append(removes, r)
	}
	return names, remove, nil
}

// newFilledTopic creates a topic that is deleted with the place, with groups, and with about n
// messages, the same number in each partition. It returns how many there are.
func (at *place) newFilledTopic(n int, groups ...string) (name string, filled int, err error) {
	name, remove, err := at.newTopic(at.partitions)
	if err != nil {
		return "", 0, err
	}
	at.closers = append(at.closers, remove)
	for _, g := range groups {
		err = errors.Join(err, at.newGroup(name, g))
	}
	if err != nil {
		return "", 0, err
	}
	requests := max(n/at.batch()/at.partitions, 1) * at.partitions
	if n == 0 {
		return name, 0, nil
	}
	return name, requests * at.batch(), at.frames.fill(at.stream, name, at.partitions, requests)
}

// destination is a partition of a topic.
type destination struct {
	topic     int
	partition uint32
}

// destination is where the i-th message goes, by its key.
func (at *place) destination(i int) destination {
	return destination{i % at.topics, wire.PartitionOf(at.key(i), uint32(at.partitions))}
}

// key is the key of the i-th message.
func (at *place) key(i int) string { return at.keys[i%keyCount] }
