package config

import "time"

// Producer is how messages are sent.
type Producer struct {
	// Connections is how many connections the partitions are spread over, at most 256.
	Connections int `yaml:"connections"`
	// MaxBatchMessages bounds the messages of one request, at most 1000000.
	MaxBatchMessages int `yaml:"max_batch_messages"`
	// MaxBatchBytes bounds the encoded bytes of one request, at most 64MiB. A single larger message
	// travels alone, up to the server's limit.
	MaxBatchBytes Bytes `yaml:"max_batch_bytes"`
	// Linger is how long a batch waits for company when nothing is in flight.
	Linger time.Duration `yaml:"linger"`
	// MaxBufferedBytes is the ceiling for the encoded bytes of messages that have no
	// outcome yet, those in flight included; at most 64GiB.
	MaxBufferedBytes Bytes `yaml:"max_buffered_bytes"`
	// MaxBufferedMessages is the ceiling for the number of these messages, at most 100000000.
	MaxBufferedMessages int `yaml:"max_buffered_messages"`
	// WhenFull is what a send does at a ceiling.
	WhenFull WhenFull `yaml:"when_full"`
	// DeliveryTimeout bounds the time from accepting a message to its outcome.
	DeliveryTimeout time.Duration `yaml:"delivery_timeout"`
	// Retry is how a request that failed is sent again.
	Retry Retry `yaml:"retry"`
	// MetadataInterval is how often partition counts are read again.
	MetadataInterval time.Duration `yaml:"metadata_interval"`
	// DrainTimeout bounds the flush at stop.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// WhenFull is what a send does when the producer's buffer is full.
type WhenFull string

// What a send may do at a ceiling.
const (
	// WhenFullBlock waits for room until the context ends.
	WhenFullBlock WhenFull = "block"
	// WhenFullFail fails at once.
	WhenFullFail WhenFull = "fail"
)

// maxRequestBytes is the most that a batch may be configured to hold. The server accepted
// requests of 70 MB (measured on Iggy 0.8.0).
const maxRequestBytes Bytes = 64 << 20

// Validate is like Config.Validate, for this section alone.
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
	f.require(p.MaxBufferedBytes >= max(p.MaxBatchBytes, 1), "max_buffered_bytes", "must not be less than max_batch_bytes (%v)", p.MaxBatchBytes)
	f.require(p.MaxBufferedBytes <= maxBuffer, "max_buffered_bytes", "must be at most %v", maxBuffer)
	between(f, "max_buffered_messages", p.MaxBufferedMessages, 1, maxMessages)
	oneOf(f, "when_full", p.WhenFull, WhenFullBlock, WhenFullFail)
	positive(f, "delivery_timeout", p.DeliveryTimeout)
	f.require(p.DeliveryTimeout <= 0 || p.Linger < p.DeliveryTimeout, "linger", "must be less than delivery_timeout (%v)", p.DeliveryTimeout)
	p.Retry.validate(f.at("retry"))
	positive(f, "metadata_interval", p.MetadataInterval)
	notNegative(f, "drain_timeout", p.DrainTimeout)
}
