package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

const (
	partitions  = 8
	payloadSize = 512
	batchSize   = 1000
	keyCount    = 1000
)

// bench holds what all measurements share: the server, a stream on it, and the table.
type bench struct {
	target  *server
	quick   bool
	stream  string
	control *tcp.IggyTcpClient // for streams and topics
	table   table
	keys    []string
	payload []byte
	topics  int
}

func newBench(t *server, quick bool) (*bench, error) {
	b := &bench{target: t, quick: quick, stream: fmt.Sprintf("bench-%d", os.Getpid()), payload: make([]byte, payloadSize)}
	for i := range keyCount {
		b.keys = append(b.keys, "job-"+strconv.Itoa(i))
	}
	for i := range b.payload {
		b.payload[i] = byte(i)
	}
	var err error
	if b.control, err = b.sdk(); err != nil {
		return nil, err
	}
	_, err = b.control.CreateStream(b.stream)
	return b, err
}

// close deletes the stream.
func (b *bench) close() {
	_ = b.control.DeleteStream(identifier(b.stream))
	_ = b.control.Close()
}

// rounds is n, or 1 with -quick.
func (b *bench) rounds(n int) int {
	if b.quick {
		return 1
	}
	return n
}

// scale is n, or a tenth of it with -quick.
func (b *bench) scale(n int) int {
	if b.quick {
		return n / 10
	}
	return n
}

// newTopic creates a topic and returns its name. remove deletes it.
func (b *bench) newTopic() (topic string, remove func(), err error) {
	return b.newTopicWith(partitions)
}

// newTopicWith creates a topic with so many partitions.
func (b *bench) newTopicWith(partitions int) (topic string, remove func(), err error) {
	b.topics++
	topic = fmt.Sprintf("t%d", b.topics)
	_, err = b.control.CreateTopic(identifier(b.stream), topic, uint32(partitions), iggcon.CompressionAlgorithmNone, iggcon.IggyExpiryNeverExpire, 0, nil)
	return topic, func() { _ = b.control.DeleteTopic(identifier(b.stream), identifier(topic)) }, err
}

// sdk opens a connection of the official SDK.
func (b *bench) sdk() (*tcp.IggyTcpClient, error) { return b.sdkAt(b.target.address) }

// sdkAt opens a connection of the official SDK to an address.
func (b *bench) sdkAt(address string) (*tcp.IggyTcpClient, error) {
	client, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(address))
	if err != nil {
		return nil, err
	}
	if _, err := client.LoginUser(b.target.username, b.target.password); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

// cluster is the configuration of the library's connections.
func (b *bench) cluster() config.Iggy {
	cfg := config.Default().Iggy
	cfg.Endpoint = "iggy://" + b.target.address
	cfg.Transport = config.TransportNative
	cfg.ClientID, cfg.ClientSecret = b.target.username, config.NewSecret(b.target.password)
	return cfg
}

// producer is a started producer with the default configuration.
func (b *bench) producer(ctx context.Context) (*producer.Producer, error) {
	p, err := producer.New(b.cluster(), config.Default().Producer)
	if err != nil {
		return nil, err
	}
	err = p.Start(ctx)
	return p, err
}

// partitionOf is the partition of the i-th message, by its key.
func (b *bench) partitionOf(i int) uint32 { return wire.PartitionOf(b.keys[i%keyCount], partitions) }

func identifier(s string) iggcon.Identifier {
	id, err := iggcon.NewIdentifier(s)
	if err != nil {
		panic(err) // not expected: the names are valid
	}
	return id
}

// waitUntil waits until ok returns true.
func waitUntil(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return errors.New("the consumer is not ready after 30 s")
		}
	}
	return nil
}

// heapBytes is the size of the heap.
func heapBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// newFilledTopic creates a topic with n messages, the same number in each partition, and the groups
// of readers.
func (b *bench) newFilledTopic(ctx context.Context, n int) (topic string, remove func(), err error) {
	topic, remove, err = b.newTopic()
	if err != nil {
		return "", nil, err
	}
	if err = b.groups(topic, "g"); err == nil && n > 0 {
		var f *frames
		if f, err = b.frames(ctx, topic, partitions); err == nil {
			err = f.send(n, partitions)
			_ = f.conn.Close()
		}
	}
	if err != nil {
		remove()
	}
	return topic, remove, err
}

// newFilledTopicWith creates a topic with so many partitions and n messages, the same number in
// each partition, and groups.
func (b *bench) newFilledTopicWith(ctx context.Context, partitions, n int, groups ...string) (topic string, remove func(), err error) {
	topic, remove, err = b.newTopicWith(partitions)
	if err != nil {
		return "", nil, err
	}
	for _, g := range groups {
		err = errors.Join(err, b.groups(topic, g))
	}
	if err == nil {
		err = b.fill(ctx, topic, partitions, n)
	}
	if err != nil {
		remove()
	}
	return topic, remove, err
}

// fill sends n messages, the same number to each partition.
func (b *bench) fill(ctx context.Context, topic string, partitions, n int) error {
	p, err := b.producer(ctx)
	if err != nil {
		return err
	}
	for i := range n {
		m := producer.Message{Stream: b.stream, Topic: topic, Partition: producer.OnPartition(uint32(i % partitions)), Payload: b.payload}
		p.SendAsync(ctx, m, nil)
	}
	return errors.Join(p.Flush(ctx), p.Stop(ctx))
}

// groups creates a consumer group and its coordination group.
func (b *bench) groups(topic, group string) error {
	for _, g := range []string{group, config.DefaultConsumer(group).CoordinationGroup()} {
		if _, err := b.control.CreateConsumerGroup(identifier(b.stream), identifier(topic), g); err != nil {
			return err
		}
	}
	return nil
}
