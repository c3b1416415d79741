package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoadRefusesInvalidNumbers(t *testing.T) {
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
