package config

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Topics configures the topics that the application declares.
type Topics struct {
	// Provision creates missing streams, topics and groups at start.
	Provision bool `yaml:"provision"`
	// Declared has a section for each topic, by the name with which the application declares it.
	Declared map[string]Topic `yaml:",inline"`
}

// Topic is the configuration of one topic.
type Topic struct {
	// Stream is the stream that holds the topic.
	Stream string `yaml:"stream"`
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
	owners := map[[2]string]string{}
	for _, key := range slices.Sorted(maps.Keys(t.Declared)) {
		one := t.Declared[key]
		one.validate(f.at(key))
		place := [2]string{one.Stream, one.Name}
		if owner, ok := owners[place]; ok {
			f.add(key+".name", fmt.Errorf("must not be the name of %s, too", f.key(owner)))
			continue
		}
		owners[place] = key
	}
}

func (t Topic) validate(f faults) {
	name(f, "stream", t.Stream)
	name(f, "name", t.Name)
	validateSettings(f, t.Partitions, t.Retention, t.MaxSize)
	oneOf(f, "compression", t.Compression, CompressionNone, CompressionS2, CompressionZstd, CompressionGzip)
	f.require(t.CompressionMinSize >= 0, "compression_min_size", "must be 0 or more")
}

// validateSettings checks the properties with which a topic is created.
func validateSettings(f faults, partitions uint32, retention Retention, maxSize Bytes) {
	f.require(partitions >= 1 && partitions <= maxPartitions, "partitions", "must be 1 to %d", maxPartitions)
	f.require(retention == RetentionDefault || retention == RetentionForever || retention.Duration() >= time.Microsecond,
		"retention", "must be a duration of 1µs or more, 0 for the server's default or -1 for ever")
	f.require(maxSize == 0 || maxSize >= segmentSize, "max_size",
		"must be 0 for the server's default, or %v or more: the server refuses less than its segments hold", segmentSize)
}
