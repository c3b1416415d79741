package config

import (
	"fmt"
	"time"
)

// Topics is where FetchBox's topics are, and how they are created.
type Topics struct {
	// Provision creates missing streams, topics and groups at start.
	Provision bool `yaml:"provision"`
	// Stream is the stream of FetchBox's four topics.
	Stream string `yaml:"stream"`

	// Tasks is the topic of DownloadTask.
	Tasks Topic `yaml:"tasks"`
	// Status is the topic of JobStatus.
	Status Topic `yaml:"status"`
	// Logs is the topic of JobLog.
	Logs Topic `yaml:"logs"`
	// DLQ is the topic of DeadLetterTask.
	DLQ Topic `yaml:"dlq"`
}

// Topic is the configuration of one topic.
type Topic struct {
	// Name is the topic's name within the stream.
	Name string `yaml:"name"`
	// Partitions is the number of partitions with which the topic is created.
	Partitions uint32 `yaml:"partitions"`
	// Retention is how long messages are kept; 0 means the server's default, -1 for ever. It
	// accepts days: 7d.
	Retention Retention `yaml:"retention"`
	// MaxSize is the largest size of the topic, 1GiB or more; 0 means the server's default.
	MaxSize Bytes `yaml:"max_size"`
	// Compression is the compression of payloads.
	Compression Compression `yaml:"compression"`
	// CompressionMinSize is the size of the smallest payload that is compressed.
	CompressionMinSize Bytes `yaml:"compression_min_size"`
}

// Compression is a value of the header content-encoding.
type Compression string

// The compressions.
const (
	// CompressionNone leaves payloads as they are.
	CompressionNone Compression = "none"
	// CompressionS2 is the fastest; few languages support it.
	CompressionS2 Compression = "s2"
	// CompressionZstd gives the smallest payloads.
	CompressionZstd Compression = "zstd"
	// CompressionGzip is supported by every language.
	CompressionGzip Compression = "gzip"
)

const (
	// maxPartitions is the server's limit for one topic (Iggy 0.8.0).
	maxPartitions = 1000
	// segmentSize is the server's default. It refuses a smaller max_size (measured on Iggy 0.8.0).
	segmentSize Bytes = 1 << 30
)

func (t Topics) validate(f faults) {
	name(f, "stream", t.Stream)
	owners := map[string]string{}
	for _, one := range []struct {
		key   string
		topic Topic
	}{{"tasks", t.Tasks}, {"status", t.Status}, {"logs", t.Logs}, {"dlq", t.DLQ}} {
		one.topic.validate(f.at(one.key))
		if owner, ok := owners[one.topic.Name]; ok {
			f.add(one.key+".name", fmt.Errorf("must not be the name of %s, too", f.key(owner)))
			continue
		}
		owners[one.topic.Name] = one.key
	}
}

func (t Topic) validate(f faults) {
	name(f, "name", t.Name)
	f.require(t.Partitions >= 1 && t.Partitions <= maxPartitions, "partitions", "must be 1 to %d", maxPartitions)
	f.require(t.Retention == RetentionDefault || t.Retention == RetentionForever || t.Retention.Duration() >= time.Microsecond,
		"retention", "must be a duration of 1µs or more, 0 for the server's default or -1 for ever")
	f.require(t.MaxSize == 0 || t.MaxSize >= segmentSize, "max_size",
		"must be 0 for the server's default, or %v or more: the server refuses less than its segments hold", segmentSize)
	oneOf(f, "compression", t.Compression, CompressionNone, CompressionS2, CompressionZstd, CompressionGzip)
	f.require(t.CompressionMinSize >= 0, "compression_min_size", "must be 0 or more")
}
