package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

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

// bench is what all measurements share: the server, a stream of its own on it, and
// the table.
type bench struct {
	target  *target
	quick   bool
	stream  string
	control *tcp.IggyTcpClient // creates and deletes
	table   table
	keys    []string
	payload []byte
	topics  int
}

func newBench(t *target, quick bool) (*bench, error) {
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
	_ = b.control.DeleteStream(name(b.stream))
	_ = b.control.Close()
}

// rounds is n, or few of them for a quick look.
func (b *bench) rounds(n int) int {
	if b.quick {
		return 1
	}
	return n
}

// amount is n, or a tenth for a quick look.
func (b *bench) amount(n int) int {
	if b.quick {
		return n / 10
	}
	return n
}

// newTopic creates a topic and returns its name; delete removes it with what it holds.
func (b *bench) newTopic() (topic string, remove func(), err error) {
	b.topics++
	topic = fmt.Sprintf("t%d", b.topics)
	_, err = b.control.CreateTopic(name(b.stream), topic, partitions, iggcon.CompressionAlgorithmNone, iggcon.IggyExpiryNeverExpire, 0, nil)
	return topic, func() { _ = b.control.DeleteTopic(name(b.stream), name(topic)) }, err
}

// sdk is a new connection of the official SDK.
func (b *bench) sdk() (*tcp.IggyTcpClient, error) {
	client, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(b.target.address))
	if err != nil {
		return nil, err
	}
	if _, err := client.LoginUser(b.target.username, b.target.password); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

// cluster is the configuration for connections of this library.
func (b *bench) cluster() config.Iggy {
	cfg := config.Default().Iggy
	cfg.Endpoint = "iggy://" + b.target.address
	cfg.Transport = config.TransportNative
	cfg.ClientID, cfg.ClientSecret = b.target.username, config.NewSecret(b.target.password)
	return cfg
}

// producer is a started producer with the default configuration.
func (b *bench) producer(ctx context.Context, opts ...producer.Option) (*producer.Producer, error) {
	p, err := producer.New(b.cluster(), config.Default().Producer, opts...)
	if err != nil {
		return nil, err
	}
	return p, p.Start(ctx)
}

// partitionOf is where the i-th message goes, by its key.
func (b *bench) partitionOf(i int) uint32 { return wire.PartitionOf(b.keys[i%keyCount], partitions) }

func name(s string) iggcon.Identifier {
	id, err := iggcon.NewIdentifier(s)
	if err != nil {
		panic(err) // all names here are constant and valid
	}
	return id
}
