package config_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Numbers that no machine can honour once went through, and ended the process when they were used.
func TestValidateRefusesWhatNoMachineHas(t *testing.T) {
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
		"topics.stream: must be valid UTF-8":         func(c *config.Config) { c.Topics.Stream = "\xc3" },
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

func TestValidateAcceptsTheMost(t *testing.T) {
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

func TestLoadHostileNumbers(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"producer: {max_buffered_bytes: 1e30}":                "producer.max_buffered_bytes: must be a size below 8 EiB (app.yaml:1)",
		"producer: {max_buffered_bytes: 9999999999TiB}":       "producer.max_buffered_bytes: must be a size below 8 EiB (app.yaml:1)",
		"producer: {max_buffered_bytes: 1e999}":               "producer.max_buffered_bytes: must be a size such as 64MiB, 10MB or a number of bytes (app.yaml:1)",
		"producer: {max_buffered_bytes: .inf}":                "producer.max_buffered_bytes: must be a size such as 64MiB, 10MB or a number of bytes (app.yaml:1)",
		"producer: {max_buffered_bytes: NaN}":                 "producer.max_buffered_bytes: must be a size such as 64MiB, 10MB or a number of bytes (app.yaml:1)",
		"producer: {max_buffered_bytes: -64MiB}":              "producer.max_buffered_bytes: must not be less than max_batch_bytes (1MiB) (app.yaml:1)",
		"producer: {max_batch_bytes: -1}":                     "producer.max_batch_bytes: must be 1 to 64MiB (app.yaml:1)",
		"producer: {connections: 99999999999999999999}":       "producer.connections: must be a whole number that is not so large (app.yaml:1)",
		"producer: {connections: 1e3}":                        "producer.connections: must be a whole number (app.yaml:1)",
		"producer: {delivery_timeout: 9999999h}":              "producer.delivery_timeout: must be a duration such as 500ms, 5s or 1m30s (app.yaml:1)",
		"producer: {delivery_timeout: 2000000h}":              "producer.delivery_timeout: must be at most 8760h (app.yaml:1)",
		"producer: {retry: {jitter: .nan}}":                   "producer.retry.jitter: must be a number (app.yaml:1)",
		"producer: {retry: {jitter: NaN}}":                    "producer.retry.jitter: must be 0 to 1 (app.yaml:1)",
		"producer: {retry: {jitter: 1e400}}":                  "producer.retry.jitter: must be a number that is not so large (app.yaml:1)",
		"consumers: {tasks: {max_lag: -1}}":                   "consumers.tasks.max_lag: must be a whole number of 0 or more (app.yaml:1)",
		"topics: {tasks: {partitions: 4294967297}}":           "topics.tasks.partitions: must be a whole number of 0 or more that is not so large (app.yaml:1)",
		"topics: {tasks: {retention: 99999999d}}":             "topics.tasks.retention: must be a duration such as 7d or 12h, 0 for the server's default or -1 for ever (app.yaml:1)",
		"topics: {tasks: {retention: 106751d9999999999999h}}": "topics.tasks.retention: must be a duration such as 7d or 12h, 0 for the server's default or -1 for ever (app.yaml:1)",
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			_, err := load(value)
			require.Equal(t, []string{want}, texts(t, err))
		})
	}
}

func TestLoadTheFormsOfAFile(t *testing.T) {
	t.Parallel()
	plain := "consumers:\n  tasks:\n    group: wörkers\n"
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(plain)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for name, data := range map[string][]byte{
		"byte order mark": []byte("\ufeff" + plain),
		"CRLF":            bytes.ReplaceAll([]byte(plain), []byte("\n"), []byte("\r\n")),
		"UTF-16":          wide,
		"no line break":   []byte(strings.TrimSuffix(plain, "\n")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := load(string(data))
			require.NoError(t, err)
			require.Equal(t, "wörkers", c.Consumers["tasks"].Group)
		})
	}
	for name, data := range map[string]string{
		"Latin-1": "consumers: {tasks: {group: w\xf6rkers}}\n",
		"binary":  "\x7fELF\x02\x01\x01\x00\x00",
		"NUL":     "iggy: {client_id: a\x00b}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(data)
			all := texts(t, err)
			require.Len(t, all, 1)
			require.Contains(t, all[0], "not valid YAML: ")
			require.Contains(t, all[0], "(app.yaml")
		})
	}
}

// Anchors that refer to each other name values by the billion; a walk over the keys that there are visits none of them.
func TestLoadBombs(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 {group: x}\n")
	for i := range 30 {
		alias := "*a" + string(rune('0'+i%10))
		name := "&a" + string(rune('0'+(i+1)%10))
		bomb.WriteString("x: " + name + " [" + strings.Repeat(alias+", ", 10) + alias + "]\n")
	}
	bomb.WriteString("consumers: {tasks: {group: *a0}}\n")
	_, err := load(bomb.String())
	require.ErrorContains(t, err, "consumers.tasks.group: must be a single value")

	_, err = load("iggy: &a {tls: *a}\n")
	require.Equal(t, []string{"iggy.tls.tls: unknown key (app.yaml:1)"}, texts(t, err))

	_, err = load("iggy: {endpoint: " + strings.Repeat("[", 20_000) + "}\n")
	require.ErrorContains(t, err, "not valid YAML")

	// As many keys as a file can have, merged as often as it may.
	var wide strings.Builder
	wide.WriteString("consumers:\n  tasks: &a\n")
	for i := range 5_000 {
		wide.WriteString("    k" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + ": \n")
	}
	wide.WriteString("  logs:\n    <<: [" + strings.Repeat("*a,", 2000) + "*a]\n")
	_, err = load(wide.String())
	require.ErrorContains(t, err, "too many merges")
}

// A secret in a block whose lines are not indented is read as keys, and was once shown as an unknown one.
func TestLoadDoesNotShowASecretThatIsNotIndented(t *testing.T) {
	t.Parallel()
	const hidden = "unknown key, not shown because it may be a part of iggy.client_secret: indent all lines of that value"
	for name, tt := range map[string]struct {
		yaml string
		want []string
	}{
		"block":        {"iggy:\n  client_secret: |\n  " + password + ": x\n", []string{"iggy: " + hidden + " (app.yaml:3)"}},
		"folded":       {"iggy:\n  client_secret: >-\n  " + password + ": x\n", []string{"iggy: " + hidden + " (app.yaml:3)"}},
		"no indicator": {"iggy:\n  client_secret:\n  " + password + ": x\n", []string{`iggy.client_secret: must have a value ("" for an empty one) (app.yaml:2)`, "iggy: " + hidden + " (app.yaml:3)"}},
		"later lines":  {"iggy:\n  client_secret: |\n    first\n  " + password + ": x\n", []string{"iggy: " + hidden + " (app.yaml:4)"}},
		"twice":        {"iggy:\n  client_secret: |\n  " + password + ": x\n  " + password + ": y\n", []string{"iggy: " + hidden + " (app.yaml:3)", "iggy: " + hidden + " (app.yaml:4)"}},
		"at the edge":  {"iggy:\n  client_secret: |\n" + password + ": x\n", []string{hidden + " (app.yaml:3)"}},
		"no colon":     {"iggy:\n  client_secret: |\n  " + password + "\n", []string{"not valid YAML: could not find expected … (app.yaml:3)"}},
		"other keys are shown": {"iggy:\n  client_secret: |\n    x\n  client_id: a\n  dail_timeout: 1s\n", []string{
			"iggy.dail_timeout: unknown key; did you mean dial_timeout? (app.yaml:5)",
		}},
		"behind a plain one": {"iggy:\n  client_secret: \"\"\n  dail_timeout: 1s\n", []string{
			"iggy.dail_timeout: unknown key; did you mean dial_timeout? (app.yaml:3)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(tt.yaml)
			require.Equal(t, tt.want, texts(t, err))
			require.NotContains(t, err.Error(), password)
		})
	}
}
