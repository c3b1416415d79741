package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/config"
)

const (
	// batchSize is the number of messages of a request of the SDK's loops and of the prepared frames.
	batchSize = 1000
	// maxBatchBytes bounds the bytes of such a request or answer. The SDK's loops are slower with 4 and
	// 8 MiB (measured on Iggy 0.8.0: up to half as fast).
	maxBatchBytes = 2 << 20
	keyCount      = 1000
)

// lengths says how long the measurements are.
type lengths struct {
	rounds       int           // of each contender
	warmUp       time.Duration // before each round
	round        time.Duration
	idle         time.Duration // of an idle consumer
	idleMessages int           // for the latency of an idle consumer
	busy         time.Duration // of the latency of a busy consumer
	messages     int           // that consumers read again and again
	backlog      int
}

var (
	fullLengths = lengths{
		rounds: 3, warmUp: 100 * time.Millisecond, round: 300 * time.Millisecond,
		idle: 5 * time.Second, idleMessages: 100, busy: 4 * time.Second, messages: 400_000, backlog: 5_000_000,
	}
	quickLengths = lengths{
		rounds: 1, warmUp: 50 * time.Millisecond, round: 100 * time.Millisecond,
		idle: time.Second, idleMessages: 10, busy: 500 * time.Millisecond, messages: 80_000, backlog: 500_000,
	}
)

// bench has what all rows share: the server, a stream on it, and connections of the SDK.
type bench struct {
	lengths
	target  *server
	stream  string
	control *tcp.IggyTcpClient // for streams and topics
	client  *tcp.IggyTcpClient // the SDK's contender
	keys    []string
	started time.Time
	created int // the number of topics created so far
}

func newBench(t *server, l lengths) (*bench, error) {
	b := &bench{lengths: l, target: t, stream: fmt.Sprintf("bench-%d", os.Getpid()), started: time.Now()}
	for i := range keyCount {
		b.keys = append(b.keys, "job-"+strconv.Itoa(i))
	}
	var err error
	if b.control, err = b.sdk(t.address); err != nil {
		return nil, err
	}
	if b.client, err = b.sdk(t.address); err != nil {
		return nil, err
	}
	_, err = b.control.CreateStream(b.stream)
	return b, err
}

// close deletes the stream.
func (b *bench) close() {
	_ = b.control.DeleteStream(identifier(b.stream))
	_ = b.client.Close()
	_ = b.control.Close()
}

// version returns the server's version, as the server states it.
func (b *bench) version() (string, error) {
	stats, err := b.control.GetStats()
	if err != nil {
		return "", err
	}
	return stats.IggyServerVersion, nil
}

// newTopic creates a topic and returns its name. remove deletes it.
func (b *bench) newTopic(partitions int) (name string, remove func(), err error) {
	b.created++
	name = fmt.Sprintf("t%d", b.created)
	_, err = b.control.CreateTopic(identifier(b.stream), name, uint32(partitions), iggcon.CompressionAlgorithmNone, iggcon.IggyExpiryNeverExpire, 0, nil)
	return name, func() { _ = b.control.DeleteTopic(identifier(b.stream), identifier(name)) }, err
}

// newGroup creates a consumer group of a topic, and its coordination group.
func (b *bench) newGroup(topic, group string) error {
	for _, g := range []string{group, config.DefaultConsumer(group).CoordinationGroup()} {
		if _, err := b.control.CreateConsumerGroup(identifier(b.stream), identifier(topic), g); err != nil {
			return fmt.Errorf("create group %s: %w", g, err)
		}
	}
	return nil
}

// sdk opens a connection of the official SDK to an address.
func (b *bench) sdk(address string) (*tcp.IggyTcpClient, error) {
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

// cluster is the configuration of the library's connections to an address.
func (b *bench) cluster(address string) config.Iggy {
	cfg := config.Default().Iggy
	cfg.Endpoint = "iggy://" + address
	cfg.ClientID, cfg.ClientSecret = b.target.username, config.NewSecret(b.target.password)
	return cfg
}

func identifier(s string) iggcon.Identifier {
	id, err := iggcon.NewIdentifier(s)
	if err != nil {
		panic(err) // not expected: the names are valid
	}
	return id
}

// waitUntil waits until ok returns true.
func waitUntil(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return errors.New(what + ": not within 30 s")
		}
	}
	return nil
}
