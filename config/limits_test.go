package config_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Larger numbers would exhaust the memory or overflow when they are used.
func TestValidateRefusesNumbersAboveTheLimits(t *testing.T) {
	t.Parallel()
	consumer := func(change func(*config.Consumer)) func(*config.Config) {
		return func(c *config.Config) {
			tasks := c.Consumers["tasks"]
			change(&tasks)
			c.Consumers["tasks"] = tasks
		}
	}
	for want, change := range map[string]func(*config.Config){
		"iggy.dial_timeout: must be at most 8760h":                     func(c *config.Config) { c.Iggy.DialTimeout = math.MaxInt64 },
		"iggy.request_timeout: must be at most 8760h":                  func(c *config.Config) { c.Iggy.RequestTimeout = math.MaxInt64 },
		"iggy.heartbeat_interval: must be at most 8760h":               func(c *config.Config) { c.Iggy.HeartbeatInterval = math.MaxInt64 },
		"iggy.start_timeout: must be at most 8760h":                    func(c *config.Config) { c.Iggy.StartTimeout = math.MaxInt64 },
		"iggy.reconnect.max_backoff: must be at most 8760h":            func(c *config.Config) { c.Iggy.Reconnect.MaxBackoff = math.MaxInt64 },
		"iggy.reconnect.jitter: must be 0 to 1":                        func(c *config.Config) { c.Iggy.Reconnect.Jitter = math.NaN() },
		"iggy.breaker.failures: must be at most 1000000":               func(c *config.Config) { c.Iggy.Breaker.Failures = math.MaxInt },
		"iggy.breaker.delay: must be at most 8760h":                    func(c *config.Config) { c.Iggy.Breaker.Delay = math.MaxInt64 },
		"producer.connections: must be at most 256":                    func(c *config.Config) { c.Producer.Connections = 1_000_000 },
		"producer.max_batch_messages: must be at most 1000000":         func(c *config.Config) { c.Producer.MaxBatchMessages = math.MaxInt },
		"producer.max_buffered_bytes: must be at most 64GiB":           func(c *config.Config) { c.Producer.MaxBufferedBytes = math.MaxInt64 },
		"producer.max_buffered_messages: must be at most 100000000":    func(c *config.Config) { c.Producer.MaxBufferedMessages = math.MaxInt },
		"producer.delivery_timeout: must be at most 8760h":             func(c *config.Config) { c.Producer.DeliveryTimeout = math.MaxInt64 },
		"producer.retry.jitter: must be 0 to 1":                        func(c *config.Config) { c.Producer.Retry.Jitter = math.Inf(1) },
		"producer.metadata_interval: must be at most 8760h":            func(c *config.Config) { c.Producer.MetadataInterval = math.MaxInt64 },
		"producer.drain_timeout: must be at most 8760h":                func(c *config.Config) { c.Producer.DrainTimeout = math.MaxInt64 },
		"consumers.tasks.max_in_flight: must be at most 1000000":       consumer(func(c *config.Consumer) { c.MaxInFlight = math.MaxInt }),
		"consumers.tasks.max_buffered_bytes: must be at most 64GiB":    consumer(func(c *config.Consumer) { c.MaxBufferedBytes = 1 << 40 }),
		"consumers.tasks.commit_every: must be at most 1000000":        consumer(func(c *config.Consumer) { c.CommitEvery = math.MaxInt }),
		"consumers.tasks.dedup_window: must be at most 1000000":        consumer(func(c *config.Consumer) { c.DedupWindow = 1 << 40 }),
		"consumers.tasks.max_decompressed_bytes: must be at most 1GiB": consumer(func(c *config.Consumer) { c.MaxDecompressedBytes = 1 << 40 }),
		"consumers.tasks.poll_interval_max: must be at most 8760h":     consumer(func(c *config.Consumer) { c.PollIntervalMax = math.MaxInt64 }),
		"consumers.tasks.handler_timeout: must be at most 8760h":       consumer(func(c *config.Consumer) { c.HandlerTimeout = math.MaxInt64 }),
		"consumers.tasks.concurrency: must be 1 to 100000 when max_in_flight is more than that": consumer(func(c *config.Consumer) {
			c.MaxInFlight = 200_000
		}),
		"consumers.tasks.concurrency: must be 1 to 100000 when max_in_flight is more than that ": consumer(func(c *config.Consumer) {
			c.MaxInFlight, c.Concurrency = 200_000, 100_001
		}),
		"consumers.tasks.group: must be valid UTF-8": consumer(func(c *config.Consumer) { c.Group = "a\xff" }),
		"topics.tasks.stream: must be valid UTF-8":   topic("tasks", func(t *config.Topic) { t.Stream = "\xc3" }),
		"health.timeout: must be at most 8760h":      func(c *config.Config) { c.Health.Timeout = math.MaxInt64 },
		"health.interval: must be at most 8760h":     func(c *config.Config) { c.Health.Interval = math.MaxInt64 },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			c := valid()
			change(&c)
			require.EqualError(t, c.Validate(), strings.TrimSuffix(want, " "))
		})
	}
}

func TestValidateAcceptsTheLimits(t *testing.T) {
	t.Parallel()
	c := valid()
	year := 365 * 24 * time.Hour
	c.Iggy.RequestTimeout, c.Iggy.Breaker.Failures, c.Producer.DeliveryTimeout = year, 1_000_000, year
	c.Producer.Connections, c.Producer.MaxBatchMessages, c.Producer.MaxBufferedMessages = 256, 1_000_000, 100_000_000
	c.Producer.MaxBatchBytes, c.Producer.MaxBufferedBytes = 64<<20, 64<<30
	tasks := c.Consumers["tasks"]
	tasks.MaxInFlight, tasks.Concurrency, tasks.MaxBufferedBytes = 1_000_000, 100_000, 64<<30
	tasks.CommitEvery, tasks.DedupWindow, tasks.MaxDecompressedBytes = 1_000_000, 1_000_000, 1<<30
	c.Consumers["tasks"] = tasks
	require.NoError(t, c.Validate())
}
