package config

// Topics is where the messages live.
type Topics struct {
	// Provision creates the stream, topics and groups that are missing at start.
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

// Topic is how one topic is created and written.
type Topic struct {
	// Name is the topic's name within the stream.
	Name string `yaml:"name"`
	// Partitions is how many partitions it is created with.
	Partitions uint32 `yaml:"partitions"`
	// Retention is how long records are kept; 0 means the server's default,
	// -1 for ever. It accepts days: 7d.
	Retention Retention `yaml:"retention"`
	// MaxSize bounds the topic's size; 0 means the server's default.
	MaxSize Bytes `yaml:"max_size"`
	// Compression is none, s2, zstd or gzip.
	Compression Compression `yaml:"compression"`
	// CompressionMinSize is the smallest payload that is compressed.
	CompressionMinSize Bytes `yaml:"compression_min_size"`
}

// Compression names a payload encoding, as it stands in content-encoding.
type Compression string

// The compressions.
const (
	CompressionNone Compression = "none"
	CompressionS2   Compression = "s2"
	CompressionZstd Compression = "zstd"
	CompressionGzip Compression = "gzip"
)
