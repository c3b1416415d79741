package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	consumer := func(change func(*config.Consumer)) func(*config.Config) {
		return func(c *config.Config) {
			tasks := c.Consumers["tasks"]
			change(&tasks)
			c.Consumers["tasks"] = tasks
		}
	}
	for want, change := range map[string]func(*config.Config){
		"iggy.transport: must be one of [native sdk]":                                                                                  func(c *config.Config) { c.Iggy.Transport = "quic" },
		"iggy.dial_timeout: must be more than 0":                                                                                       func(c *config.Config) { c.Iggy.DialTimeout = 0 },
		"iggy.request_timeout: must be more than 0":                                                                                    func(c *config.Config) { c.Iggy.RequestTimeout = -1 },
		"iggy.heartbeat_interval: must be more than 0":                                                                                 func(c *config.Config) { c.Iggy.HeartbeatInterval = 0 },
		"iggy.start_timeout: must be more than 0":                                                                                      func(c *config.Config) { c.Iggy.StartTimeout = 0 },
		"iggy.reconnect.base_backoff: must be more than 0":                                                                             func(c *config.Config) { c.Iggy.Reconnect.BaseBackoff = 0 },
		"iggy.reconnect.max_backoff: must not be less than base_backoff (100ms)":                                                       func(c *config.Config) { c.Iggy.Reconnect.MaxBackoff = time.Millisecond },
		"iggy.reconnect.jitter: must be 0 to 1":                                                                                        func(c *config.Config) { c.Iggy.Reconnect.Jitter = 1.1 },
		"iggy.breaker.failures: must be 1 or more":                                                                                     func(c *config.Config) { c.Iggy.Breaker.Failures = 0 },
		"iggy.breaker.delay: must be more than 0":                                                                                      func(c *config.Config) { c.Iggy.Breaker.Delay = 0 },
		"producer.connections: must be 1 or more":                                                                                      func(c *config.Config) { c.Producer.Connections = 0 },
		"producer.max_batch_messages: must be 1 or more":                                                                               func(c *config.Config) { c.Producer.MaxBatchMessages = 0 },
		"producer.max_batch_bytes: must be 1 to 64MiB":                                                                                 func(c *config.Config) { c.Producer.MaxBatchBytes = 0 },
		"producer.max_batch_bytes: must be 1 to 64MiB ":                                                                                func(c *config.Config) { c.Producer.MaxBatchBytes, c.Producer.MaxBufferedBytes = 64<<20+1, 1<<30 },
		"producer.linger: must be 0 or more":                                                                                           func(c *config.Config) { c.Producer.Linger = -1 },
		"producer.linger: must be less than delivery_timeout (1m0s)":                                                                   func(c *config.Config) { c.Producer.Linger = time.Minute },
		"producer.max_buffered_bytes: must not be less than max_batch_bytes (1MiB)":                                                    func(c *config.Config) { c.Producer.MaxBufferedBytes = 1<<20 - 1 },
		"producer.max_buffered_messages: must be 1 or more":                                                                            func(c *config.Config) { c.Producer.MaxBufferedMessages = 0 },
		"producer.when_full: must be one of [block fail]":                                                                              func(c *config.Config) { c.Producer.WhenFull = "" },
		"producer.delivery_timeout: must be more than 0":                                                                               func(c *config.Config) { c.Producer.DeliveryTimeout = 0 },
		"producer.retry.max_retries: must be 0 or more, or -1 for no limit":                                                            func(c *config.Config) { c.Producer.Retry.MaxRetries = -2 },
		"producer.retry.jitter: must be 0 to 1":                                                                                        func(c *config.Config) { c.Producer.Retry.Jitter = -0.1 },
		"producer.metadata_interval: must be more than 0":                                                                              func(c *config.Config) { c.Producer.MetadataInterval = 0 },
		"producer.drain_timeout: must be 0 or more":                                                                                    func(c *config.Config) { c.Producer.DrainTimeout = -1 },
		"consumers.tasks.group: must have 1 to 255 bytes":                                                                              consumer(func(c *config.Consumer) { c.Group = "" }),
		"consumers.tasks.group: must have 1 to 255 bytes ":                                                                             consumer(func(c *config.Consumer) { c.Group = strings.Repeat("g", 256) }),
		"consumers.tasks.group: must have at most 247 bytes when fair_assignment is on, which adds .balance":                           consumer(func(c *config.Consumer) { c.Group = strings.Repeat("g", 248) }),
		"consumers.tasks.batch_size: must be 1 to 100000":                                                                              consumer(func(c *config.Consumer) { c.BatchSize = 0 }),
		"consumers.tasks.max_in_flight: must be 1 or more":                                                                             consumer(func(c *config.Consumer) { c.MaxInFlight = 0 }),
		"consumers.tasks.max_buffered_bytes: must be 1 or more":                                                                        consumer(func(c *config.Consumer) { c.MaxBufferedBytes = 0 }),
		"consumers.tasks.concurrency: must be 0 to max_in_flight (32)":                                                                 consumer(func(c *config.Consumer) { c.Concurrency = 33 }),
		"consumers.tasks.concurrency: must be 0 to max_in_flight (32) ":                                                                consumer(func(c *config.Consumer) { c.Concurrency = -1 }),
		"consumers.tasks.ack_mode: must be one of [auto manual on_poll]":                                                               consumer(func(c *config.Consumer) { c.AckMode = "later" }),
		"consumers.tasks.commit_interval: must be 0 or more":                                                                           consumer(func(c *config.Consumer) { c.CommitInterval = -1 }),
		"consumers.tasks.commit_every: must be 1 or more":                                                                              consumer(func(c *config.Consumer) { c.CommitEvery = 0 }),
		"consumers.tasks.handler_timeout: must be 0 or more":                                                                           consumer(func(c *config.Consumer) { c.HandlerTimeout = -1 }),
		"consumers.tasks.retry.max_deliveries: must be 1 or more, or -1 for no limit":                                                  consumer(func(c *config.Consumer) { c.Retry.MaxDeliveries = 0 }),
		"consumers.tasks.retry.base_backoff: must be more than 0":                                                                      consumer(func(c *config.Consumer) { c.Retry.BaseBackoff = 0 }),
		"consumers.tasks.poll_interval_min: must be more than 0":                                                                       consumer(func(c *config.Consumer) { c.PollIntervalMin = 0 }),
		"consumers.tasks.poll_interval_max: must not be less than poll_interval_min (1s)":                                              consumer(func(c *config.Consumer) { c.PollIntervalMin = time.Second }),
		"consumers.tasks.start_from: must be one of [first last end]":                                                                  consumer(func(c *config.Consumer) { c.StartFrom = "FIRST" }),
		"consumers.tasks.probe_interval: must be more than 0":                                                                          consumer(func(c *config.Consumer) { c.ProbeInterval = 0 }),
		"consumers.tasks.rebalance_timeout: must be more than 0 and less than 30s, after which the server reassigns the partition":     consumer(func(c *config.Consumer) { c.RebalanceTimeout = 30 * time.Second }),
		"consumers.tasks.rebalance_timeout: must be more than 0 and less than 30s, after which the server reassigns the partition ":    consumer(func(c *config.Consumer) { c.RebalanceTimeout = 0 }),
		"consumers.tasks.rebalance_after: must be more than 0":                                                                         consumer(func(c *config.Consumer) { c.RebalanceAfter = 0 }),
		"consumers.tasks.rebalance_grace: must be more than 0":                                                                         consumer(func(c *config.Consumer) { c.RebalanceGrace = 0 }),
		"consumers.tasks.on_gap: must be one of [continue stop]":                                                                       consumer(func(c *config.Consumer) { c.OnGap = "" }),
		"consumers.tasks.on_reset: must be one of [follow latest stop]":                                                                consumer(func(c *config.Consumer) { c.OnReset = "" }),
		"consumers.tasks.dedup_window: must be 0 or more":                                                                              consumer(func(c *config.Consumer) { c.DedupWindow = -1 }),
		"consumers.tasks.max_decompressed_bytes: must be 1 or more":                                                                    consumer(func(c *config.Consumer) { c.MaxDecompressedBytes = 0 }),
		"consumers.tasks.drain_timeout: must be 0 or more":                                                                             consumer(func(c *config.Consumer) { c.DrainTimeout = -1 }),
		"consumers.tasks.max_age: must be 0 or more":                                                                                   consumer(func(c *config.Consumer) { c.MaxAge = -1 }),
		"consumers.tasks.dead_letters.name: must have at most 255 bytes":                                                               consumer(func(c *config.Consumer) { c.DeadLetters.Name = strings.Repeat("n", 256) }),
		"consumers.tasks.dead_letters.partitions: must be 1 to 1000":                                                                   consumer(func(c *config.Consumer) { c.DeadLetters.Partitions = 0 }),
		"consumers.tasks.park_after: must be 0 to 24h0m0s":                                                                             consumer(func(c *config.Consumer) { c.ParkAfter = 25 * time.Hour }),
		"consumers.tasks.park_after: must be 0 to 24h0m0s ":                                                                            consumer(func(c *config.Consumer) { c.ParkAfter = -1 }),
		"consumers.tasks.park_after: must be 0 with ack_mode on_poll: the messages are acknowledged before":                            consumer(func(c *config.Consumer) { c.ParkAfter, c.AckMode = 1, config.AckOnPoll }),
		"consumers.tasks.parked.partitions: must be 1 to 1000":                                                                         consumer(func(c *config.Consumer) { c.Parked.Partitions = 0 }),
		"consumers.tasks.parked.retention: must be 2d or more: messages stay in a partition for up to 24h0m0s":                         consumer(func(c *config.Consumer) { c.ParkAfter, c.Parked.Retention = 1, config.Retention(47*time.Hour) }),
		"topics.tasks.stream: must have 1 to 255 bytes":                                                                                topic("tasks", func(t *config.Topic) { t.Stream = "" }),
		"topics.tasks.name: must have 1 to 255 bytes":                                                                                  topic("tasks", func(t *config.Topic) { t.Name = "" }),
		"topics.tasks.name: must not be the name of topics.logs, too":                                                                  topic("logs", func(t *config.Topic) { t.Name = "jobs.tasks" }),
		"topics.dlq.partitions: must be 1 to 1000":                                                                                     topic("dlq", func(t *config.Topic) { t.Partitions = 1001 }),
		"topics.tasks.partitions: must be 1 to 1000":                                                                                   topic("tasks", func(t *config.Topic) { t.Partitions = 0 }),
		"topics.status.retention: must be a duration of 1µs or more, 0 for the server's default or -1 for ever":                        topic("status", func(t *config.Topic) { t.Retention = 999 }),
		"topics.status.max_size: must be 0 for the server's default, or 1GiB or more: the server refuses less than its segments hold":  topic("status", func(t *config.Topic) { t.MaxSize = 1<<30 - 1 }),
		"topics.status.max_size: must be 0 for the server's default, or 1GiB or more: the server refuses less than its segments hold ": topic("status", func(t *config.Topic) { t.MaxSize = -1 }),
		"topics.status.compression: must be one of [none s2 zstd gzip]":                                                                topic("status", func(t *config.Topic) { t.Compression = "lz4" }),
		"topics.status.compression_min_size: must be 0 or more":                                                                        topic("status", func(t *config.Topic) { t.CompressionMinSize = -1 }),
		"health.timeout: must be more than 0":                                                                                          func(c *config.Config) { c.Health.Timeout = 0 },
		"health.interval: must be 0 or more":                                                                                           func(c *config.Config) { c.Health.Interval = -1 },
		"clusters.eu.topics.tasks.stream: must have 1 to 255 bytes": func(c *config.Config) {
			eu := valid()
			topic("tasks", func(t *config.Topic) { t.Stream = "" })(&eu)
			c.Clusters = map[string]config.Cluster{"eu": eu.Cluster}
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			c := valid()
			change(&c)
			err := c.Validate()
			require.EqualError(t, err, strings.TrimSuffix(want, " "))
			require.EqualError(t, c.Validate(), err.Error(), "validation changes nothing")
		})
	}
}

func TestValidateAcceptsTheEdges(t *testing.T) {
	t.Parallel()
	c := valid()
	c.Producer.Retry.MaxRetries, c.Iggy.Reconnect.Jitter = -1, 0
	topic("tasks", func(t *config.Topic) { t.Partitions, t.Retention, t.MaxSize = 1000, config.RetentionForever, 1<<30 })(&c)
	topic("logs", func(t *config.Topic) { t.Stream, t.Name = "other", "jobs.tasks" })(&c)
	tasks := c.Consumers["tasks"]
	tasks.Concurrency, tasks.Retry.MaxDeliveries, tasks.FairAssignment, tasks.RebalanceAfter = tasks.MaxInFlight, -1, false, 0
	tasks.Group = strings.Repeat("g", 255)
	tasks.PollIntervalMax = tasks.PollIntervalMin
	c.Consumers["tasks"] = tasks
	require.NoError(t, c.Validate())
}

func TestValidateReportsEveryFault(t *testing.T) {
	t.Parallel()
	var c config.Config
	c.Topics.Declared = map[string]config.Topic{"dlq": {}}
	found := append(config.Faults(c.Validate()), config.Faults(c.ValidateCluster(""))...)
	keys := map[string]bool{}
	for _, fault := range found {
		keys[fault.Key] = true
	}
	for _, key := range []string{"iggy.endpoint", "iggy.client_id", "iggy.breaker.delay", "producer.connections", "topics.dlq.stream", "topics.dlq.partitions", "health.timeout"} {
		require.True(t, keys[key], key)
	}
	require.Empty(t, config.Faults(nil))
}
