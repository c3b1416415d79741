package config

import "time"

// Producer configures how messages are sent.
type Producer struct {
	// Connections is the number of connections over which the partitions are spread, at most 256.
	Connections int `yaml:"connections"`
	// MaxBatchMessages bounds the messages of one request, at most 1000000. The bound grows with the
	// round trip to the server, up to 8 times, since a partition has only one request in flight.
	MaxBatchMessages int `yaml:"max_batch_messages"`
	// MaxBatchBytes bounds the encoded bytes of one request, at most 64MiB. The bound grows with the
	// round trip to the server, up to 8 times but not beyond 16MiB. A larger message is sent alone.
	MaxBatchBytes Bytes `yaml:"max_batch_bytes"`
	// Linger is how long a batch waits for more messages when nothing is in flight.
	Linger time.Duration `yaml:"linger"`
	// MaxBufferedBytes bounds the encoded bytes of the messages without an outcome, those in flight
	// included. It is at most 64GiB.
	MaxBufferedBytes Bytes `yaml:"max_buffered_bytes"`
	// MaxBufferedMessages bounds the number of the messages without an outcome. It is at most
	// 100000000.
	MaxBufferedMessages int `yaml:"max_buffered_messages"`
	// WhenFull is what a send does when MaxBufferedBytes or MaxBufferedMessages is reached.
	WhenFull WhenFull `yaml:"when_full"`
	// DeliveryTimeout bounds the time from the acceptance of a message to its outcome.
	DeliveryTimeout time.Duration `yaml:"delivery_timeout"`
	// Retry configures the retries of a failed request.
	Retry Retry `yaml:"retry"`
	// MetadataInterval is how often the partition counts are read.
	MetadataInterval time.Duration `yaml:"metadata_interval"`
	// DrainTimeout bounds the flush in Stop.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// WhenFull is what a send does when the producer's buffer is full.
type WhenFull string

// What a send does when the buffer is full.
const (
	// WhenFullBlock waits for room until the context ends.
	WhenFullBlock WhenFull = "block"
	// WhenFullFail fails at once.
	WhenFullFail WhenFull = "fail"
)

// maxRequestBytes is the largest max_batch_bytes. The server accepts requests of 70 MB (measured on
// Iggy 0.8.0).
const maxRequestBytes Bytes = 64 << 20

// Validate returns every fault of this section, with the keys below "producer". producer.New and
// Config.Validate use it.
func (p Producer) Validate() error {
	f := newFaults("producer")
	p.validate(f)
	return f.err()
}

func (p Producer) validate(f faults) {
	between(f, "connections", p.Connections, 1, maxConnections)
	between(f, "max_batch_messages", p.MaxBatchMessages, 1, maxBatchMessages)
	f.require(p.MaxBatchBytes >= 1 && p.MaxBatchBytes <= maxRequestBytes, "max_batch_bytes", "must be 1 to %v", maxRequestBytes)
	notNegative(f, "linger", p.Linger)
	if p.MaxBatchBytes >= 1 {
		f.require(p.MaxBufferedBytes >= p.MaxBatchBytes, "max_buffered_bytes", "must not be less than max_batch_bytes (%v)", p.MaxBatchBytes)
	} else {
		f.require(p.MaxBufferedBytes >= 1, "max_buffered_bytes", "must be 1 or more")
	}
	f.require(p.MaxBufferedBytes <= maxBuffer, "max_buffered_bytes", "must be at most %v", maxBuffer)
	between(f, "max_buffered_messages", p.MaxBufferedMessages, 1, maxMessages)
	oneOf(f, "when_full", p.WhenFull, WhenFullBlock, WhenFullFail)
	positive(f, "delivery_timeout", p.DeliveryTimeout)
	f.require(p.DeliveryTimeout <= 0 || p.Linger < p.DeliveryTimeout, "linger", "must be less than delivery_timeout (%v)", p.DeliveryTimeout)
	p.Retry.validate(f.at("retry"))
	positive(f, "metadata_interval", p.MetadataInterval)
	notNegative(f, "drain_timeout", p.DrainTimeout)
}
