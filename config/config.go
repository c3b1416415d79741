package config

import "time"

// Config is one cluster with everything that an application does on it.
// Make one with Default or Load: the zero value is not valid.
type Config struct {
	// Iggy is the server and the way to it.
	Iggy Iggy `koanf:"iggy"`
	// Producer is how records are sent.
	Producer Producer `koanf:"producer"`
	// Consumers has one section per consumer, by its name: tasks, status,
	// logs, dlq and those that an application declares.
	Consumers map[string]Consumer `koanf:"consumers"`
	// Topics is where the messages live and how the topics are created.
	Topics Topics `koanf:"topics"`
	// Health is what readiness depends on.
	Health Health `koanf:"health"`
}

// Iggy is the connection to a server.
type Iggy struct {
	// Endpoint is iggy://host:port or tcp://host:port. The port defaults to 8090.
	Endpoint string `koanf:"endpoint"`
	// Transport is native or sdk.
	Transport Transport `koanf:"transport"`
	// ClientID is the user's name.
	ClientID string `koanf:"client_id"`
	// ClientSecret is the user's password.
	ClientSecret Secret `koanf:"client_secret"`
	// ClientSecretFile is a file that holds the password; a line break at its
	// end does not count. At most one of ClientSecret, ClientSecretFile and Token is set.
	ClientSecretFile string `koanf:"client_secret_file"`
	// Token is a personal access token, used instead of name and password.
	Token Secret `koanf:"token"`
	// TLS is the encryption of the connection.
	TLS TLS `koanf:"tls"`
	// DialTimeout bounds connecting, the TLS handshake and the login together.
	DialTimeout time.Duration `koanf:"dial_timeout"`
	// RequestTimeout bounds each request; a server that does not answer in
	// this time is taken for stalled and the connection is replaced.
	RequestTimeout time.Duration `koanf:"request_timeout"`
	// HeartbeatInterval is how often an idle connection is asked for a sign of life.
	HeartbeatInterval time.Duration `koanf:"heartbeat_interval"`
	// StartTimeout bounds the wait for the first connection at start.
	StartTimeout time.Duration `koanf:"start_timeout"`
	// Reconnect is the backoff between attempts to connect, which never end.
	Reconnect Backoff `koanf:"reconnect"`
	// Breaker is the circuit breaker over the connection.
	Breaker Breaker `koanf:"breaker"`
}

// Transport names an implementation of the wire protocol.
type Transport string

// The transports.
const (
	// TransportNative is this library's own implementation of the data plane.
	TransportNative Transport = "native"
	// TransportSDK is the official Go SDK.
	TransportSDK Transport = "sdk"
)

// TLS is the encryption of a connection.
type TLS struct {
	// Enabled turns TLS on.
	Enabled bool `koanf:"enabled"`
	// CAFile holds the PEM certificates to trust instead of the system's.
	CAFile string `koanf:"ca_file"`
	// CertFile and KeyFile hold a client certificate and its key, as PEM. The
	// sdk transport can't use them.
	CertFile string `koanf:"cert_file"`
	// KeyFile is the key of CertFile.
	KeyFile string `koanf:"key_file"`
	// ServerName is the name that the server's certificate must have; empty
	// means the endpoint's host.
	ServerName string `koanf:"server_name"`
	// InsecureSkipVerify accepts any certificate: anyone on the way can read
	// and change everything. Each start logs a warning.
	InsecureSkipVerify bool `koanf:"insecure_skip_verify"`
}

// Backoff is an exponential delay: it starts at Base, doubles up to Max, and is
// spread by ±Jitter of itself.
type Backoff struct {
	BaseBackoff time.Duration `koanf:"base_backoff"`
	MaxBackoff  time.Duration `koanf:"max_backoff"`
	// Jitter is a fraction, 0 to 1.
	Jitter float64 `koanf:"jitter"`
}

// Breaker is a circuit breaker: after Failures failures in a row it refuses
// requests for Delay, then lets one through to try.
type Breaker struct {
	Failures int           `koanf:"failures"`
	Delay    time.Duration `koanf:"delay"`
}

// Retry is how often and how patiently something is tried again.
type Retry struct {
	// MaxRetries is the number of attempts after the first; 0 means none, -1
	// as many as fit the time there is.
	MaxRetries int `koanf:"max_retries"`
	Backoff    `koanf:",squash"`
}

// Producer is how records are sent.
type Producer struct {
	// Connections is how many connections the partitions are spread over.
	Connections int `koanf:"connections"`
	// MaxBatchMessages bounds the records of one request.
	MaxBatchMessages int `koanf:"max_batch_messages"`
	// MaxBatchBytes bounds the encoded bytes of one request. A single larger record
	// travels alone, up to the server's limit.
	MaxBatchBytes Bytes `koanf:"max_batch_bytes"`
	// Linger is how long a batch waits for company when nothing is in flight.
	Linger time.Duration `koanf:"linger"`
	// MaxBufferedBytes is the ceiling for the encoded bytes of records that have no
	// outcome yet, those in flight included.
	MaxBufferedBytes Bytes `koanf:"max_buffered_bytes"`
	// MaxBufferedRecords is the ceiling for the number of these records.
	MaxBufferedRecords int `koanf:"max_buffered_records"`
	// WhenFull is what a send does at a ceiling: block until there is room or
	// its context ends, or fail at once.
	WhenFull WhenFull `koanf:"when_full"`
	// DeliveryTimeout bounds the time from accepting a record to its outcome.
	DeliveryTimeout time.Duration `koanf:"delivery_timeout"`
	// Retry is how a request that failed is sent again.
	Retry Retry `koanf:"retry"`
	// MetadataInterval is how often partition counts are read again.
	MetadataInterval time.Duration `koanf:"metadata_interval"`
	// DrainTimeout bounds the flush at stop.
	DrainTimeout time.Duration `koanf:"drain_timeout"`
}

// WhenFull is what a send does when the producer's buffer is full.
type WhenFull string

// What a send may do at a ceiling.
const (
	WhenFullBlock WhenFull = "block"
	WhenFullFail  WhenFull = "fail"
)

// Consumer is how the records of one topic are consumed.
type Consumer struct {
	// Group is the consumer group; members of one group share the partitions.
	Group string `koanf:"group"`
	// BatchSize is the largest number of records asked for in one poll.
	BatchSize int `koanf:"batch_size"`
	// MaxInFlight bounds the records that are with the application, or on the way to
	// it: delivered and not yet acknowledged.
	MaxInFlight int `koanf:"max_in_flight"`
	// MaxBufferedBytes bounds the payload bytes that are read ahead.
	MaxBufferedBytes Bytes `koanf:"max_buffered_bytes"`
	// Concurrency is how many handlers run at a time; 0 means MaxInFlight.
	Concurrency int `koanf:"concurrency"`
	// AckMode is who acknowledges, and when.
	AckMode AckMode `koanf:"ack_mode"`
	// CommitInterval is how often acknowledged offsets are committed; 0 commits at once.
	CommitInterval time.Duration `koanf:"commit_interval"`
	// CommitEvery is how many acknowledged records make a commit before the interval ends.
	CommitEvery int `koanf:"commit_every"`
	// HandlerTimeout bounds one call of the handler; 0 means no bound.
	HandlerTimeout time.Duration `koanf:"handler_timeout"`
	// Retry is how a record whose handler failed is delivered again.
	Retry Redelivery `koanf:"retry"`
	// PollIntervalMin is the pause after the first empty poll, doubled up to
	// PollIntervalMax while nothing comes.
	PollIntervalMin time.Duration `koanf:"poll_interval_min"`
	PollIntervalMax time.Duration `koanf:"poll_interval_max"`
	// StartFrom is where a partition begins for which the group has stored nothing.
	StartFrom StartFrom `koanf:"start_from"`
	// ProbeInterval is how often the owned partitions are learned again.
	ProbeInterval time.Duration `koanf:"probe_interval"`
	// RebalanceTimeout bounds finishing and committing a partition that is
	// about to be taken. It must be below the server's 30 s.
	RebalanceTimeout time.Duration `koanf:"rebalance_timeout"`
	// Balance turns on fair shares: members even out what the server leaves uneven.
	Balance bool `koanf:"balance"`
	// BalanceAfter is how long shares must differ by two before they are evened.
	BalanceAfter time.Duration `koanf:"balance_after"`
	// BalanceGrace is how long the others are waited for.
	BalanceGrace time.Duration `koanf:"balance_grace"`
	// OnGap is what happens when offsets jump beyond what was expected.
	OnGap OnGap `koanf:"on_gap"`
	// OnRewind is what happens when the log is shorter than the position, or
	// an operator moved the stored offset.
	OnRewind OnRewind `koanf:"on_rewind"`
	// DedupWindow is how many record ids are remembered per partition to drop duplicates; 0 turns it off.
	DedupWindow int `koanf:"dedup_window"`
	// MaxDecompressedBytes bounds what a compressed payload may grow to.
	MaxDecompressedBytes Bytes `koanf:"max_decompressed_bytes"`
	// DrainTimeout bounds finishing the work in flight at stop.
	DrainTimeout time.Duration `koanf:"drain_timeout"`
	// MaxLag makes the consumer unready when more records than this wait; 0 means no limit.
	MaxLag uint64 `koanf:"max_lag"`
	// MaxAge makes the consumer unready when its oldest record has been in
	// flight for longer; 0 means no limit.
	MaxAge time.Duration `koanf:"max_age"`
}

// AckMode is who acknowledges a record, and when.
type AckMode string

// The modes of acknowledgement.
const (
	// AckAuto acknowledges when the handler has returned nil.
	AckAuto AckMode = "auto"
	// AckManual leaves it to Ack and Nack.
	AckManual AckMode = "manual"
	// AckOnPoll acknowledges before the handler runs: at most once.
	AckOnPoll AckMode = "on_poll"
)

// Redelivery is how a record whose handler failed is delivered again.
type Redelivery struct {
	// MaxDeliveries is how often a record is given to the handler before it is given up; -1 means without end.
	MaxDeliveries int `koanf:"max_deliveries"`
	Backoff       `koanf:",squash"`
}

// StartFrom is where a partition without a stored offset begins.
type StartFrom string

// Where a partition may begin.
const (
	StartFirst StartFrom = "first"
	StartLast  StartFrom = "last"
	StartNext  StartFrom = "next"
)

// OnGap is what happens at a gap in the offsets.
type OnGap string

// What may happen at a gap.
const (
	// GapContinue logs, counts and goes on.
	GapContinue OnGap = "continue"
	// GapStop stops the partition and makes the consumer unhealthy.
	GapStop OnGap = "stop"
)

// OnRewind is what happens when the log or the stored offset moved back.
type OnRewind string

// What may happen at a rewind.
const (
	// RewindFollow goes back to the stored offset, or to the end of the shorter log.
	RewindFollow OnRewind = "follow"
	// RewindLatest goes on at the end of the log.
	RewindLatest OnRewind = "latest"
	// RewindStop stops the partition and makes the consumer unhealthy.
	RewindStop OnRewind = "stop"
)

// Topics is where the messages live.
type Topics struct {
	// Provision creates the stream, topics and groups that are missing at start.
	Provision bool `koanf:"provision"`
	// Stream is the stream of FetchBox's four topics.
	Stream string `koanf:"stream"`

	Tasks  Topic `koanf:"tasks"`
	Status Topic `koanf:"status"`
	Logs   Topic `koanf:"logs"`
	DLQ    Topic `koanf:"dlq"`
}

// Topic is how one topic is created and written.
type Topic struct {
	// Name is the topic's name within the stream.
	Name string `koanf:"name"`
	// Partitions is how many partitions it is created with.
	Partitions uint32 `koanf:"partitions"`
	// Retention is how long records are kept; 0 means the server's default,
	// -1 for ever. It accepts days: 7d.
	Retention Retention `koanf:"retention"`
	// MaxSize bounds the topic's size; 0 means the server's default.
	MaxSize Bytes `koanf:"max_size"`
	// Compression is none, s2, zstd or gzip.
	Compression Compression `koanf:"compression"`
	// CompressionMinSize is the smallest payload that is compressed.
	CompressionMinSize Bytes `koanf:"compression_min_size"`
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

// Health is what readiness depends on.
type Health struct {
	// Timeout bounds one check.
	Timeout time.Duration `koanf:"timeout"`
	// Interval is how long a check's result is reused.
	Interval time.Duration `koanf:"interval"`
}
