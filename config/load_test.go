package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestLoadLayers(t *testing.T) {
	t.Parallel()
	yaml := `
iggy:
  endpoint: tcp://broker.example:9000
  dial_timeout: 7s
producer:
  linger: 5ms
  max_batch_bytes: 2MiB
  retry: {max_retries: -1, max_backoff: 1m}
consumers:
  tasks: {max_in_flight: 64, fair_assignment: off}
topics:
  tasks: {retention: 1d12h, partitions: 16}
  logs: {retention: -1}
`
	got, err := load(yaml,
		"FETCHBOX__IGGY__DIAL_TIMEOUT=9s",
		"fetchbox__Producer__Retry__Base_Backoff=250ms",
		"FETCHBOX__CONSUMERS__TASKS__GROUP=fetchers",
		"FETCHBOX_OTHER=1", "FETCHBOX_=1", "PATH=/bin",
	)
	require.NoError(t, err)

	want := valid()
	want.Iggy.Endpoint = "tcp://broker.example:9000"
	want.Iggy.DialTimeout = 9 * time.Second
	want.Producer.Linger = 5 * time.Millisecond
	want.Producer.MaxBatchBytes = 2 << 20
	want.Producer.Retry.MaxRetries = -1
	want.Producer.Retry.MaxBackoff = time.Minute
	want.Producer.Retry.BaseBackoff = 250 * time.Millisecond
	tasks := want.Consumers["tasks"]
	tasks.MaxInFlight, tasks.FairAssignment, tasks.Group = 64, false, "fetchers"
	want.Consumers["tasks"] = tasks
	topic("tasks", func(t *config.Topic) { t.Retention, t.Partitions = config.Retention(36*time.Hour), 16 })(&want)
	topic("logs", func(t *config.Topic) { t.Retention = config.RetentionForever })(&want)
	require.Equal(t, want, got)
}

func TestLoadWithNothingIsTheDefault(t *testing.T) {
	t.Parallel()
	for name, yaml := range map[string]string{"empty": "", "comment": "# nothing\n", "null": "~\n", "empty sections": "iggy:\nconsumers:\n  tasks:\ntopics:\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := load(yaml)
			require.NoError(t, err)
			require.Equal(t, valid(), got)
		})
	}
}

func TestLoadFile(t *testing.T) {
	t.Parallel()
	write := func(group string) string {
		path := filepath.Join(t.TempDir(), "fetchbox.yaml")
		require.NoError(t, os.WriteFile(path, []byte("consumers: {tasks: {group: "+group+"}}\n"), 0o600))
		return path
	}
	byOption, byVariable := write("option"), write("variable")
	groups := func(environ []string, opts ...config.Option) string {
		c, err := loadWith(append(opts, config.WithEnviron(append(environ, login...)))...)
		require.NoError(t, err)
		return c.Consumers["tasks"].Group
	}
	require.Equal(t, "workers", groups(nil))
	require.Equal(t, "workers", groups([]string{"FETCHBOX_CONFIG="}))
	require.Equal(t, "variable", groups([]string{"FETCHBOX_CONFIG=" + byVariable}))
	require.Equal(t, "variable", groups([]string{"FETCHBOX_CONFIG=" + byVariable}, config.WithFile("")))
	require.Equal(t, "option", groups([]string{"FETCHBOX_CONFIG=" + byVariable}, config.WithFile(byOption)))
}

func TestLoadMissingFile(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	_, err := loadWith(config.WithFile(missing), config.WithEnviron(login))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, missing)

	_, err = loadWith(config.WithEnviron(append([]string{"FETCHBOX_CONFIG=" + missing}, login...)))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "(FETCHBOX_CONFIG)")

	_, err = loadWith(config.WithFile(t.TempDir()), config.WithEnviron(login))
	require.ErrorContains(t, err, "is a directory")
}

func TestLoadReportsEveryFaultOfFileAndEnvironment(t *testing.T) {
	t.Parallel()
	_, err := load(`iggy:
  endpoint: http://broker:80
  dial_timeout: 5
  dail_timeout: 5s
producer:
  retry:
    max_retries: -7
    jitter: a lot
  max_batch_bytes: [1]
consumers:
  orders: {group: x}
  logs:
    max_in_flight: 0
topics: everything
helth: {}
`,
		"FETCHBOX__PRODUCER__WHEN_FULL=panic",
		"FETCHBOX__PRODUCER__NO_SUCH=1",
		"FETCHBOX__IGGY=1",
		"FETCHBOX__IGGY__ENDPOINT__PORT=1",
		"FETCHBOX__IGGY__TLS__ENABLED=perhaps",
		"fetchbox__health__interval=1s", "FETCHBOX__HEALTH__INTERVAL=2s",
		"FETCHBOX__=1",
	)
	require.Equal(t, []string{
		"iggy.dial_timeout: must be a duration such as 500ms, 5s or 1m30s (app.yaml:3)",
		"iggy.dail_timeout: unknown key; did you mean dial_timeout? (app.yaml:4)",
		"producer.retry.jitter: must be a number (app.yaml:8)",
		"producer.max_batch_bytes: must be a single value (app.yaml:9)",
		"consumers.orders: unknown key (app.yaml:11)",
		"topics: must be a section of keys (app.yaml:14)",
		"helth: unknown key; did you mean health? (app.yaml:15)",
		"unknown key (FETCHBOX__)",
		"iggy: is a section: name one of its keys after another __ (FETCHBOX__IGGY)",
		"iggy.endpoint.port: unknown key; iggy.endpoint has no keys below it (FETCHBOX__IGGY__ENDPOINT__PORT)",
		"iggy.tls.enabled: must be true or false (FETCHBOX__IGGY__TLS__ENABLED)",
		"producer.no_such: unknown key (FETCHBOX__PRODUCER__NO_SUCH)",
		"health.interval: is already set by FETCHBOX__HEALTH__INTERVAL (fetchbox__health__interval)",
		"iggy.endpoint: must be iggy://host:port or tcp://host:port, not another scheme (app.yaml:2)",
		"producer.when_full: must be one of [block fail] (FETCHBOX__PRODUCER__WHEN_FULL)",
		"producer.retry.max_retries: must be 0 or more, or -1 for no limit (app.yaml:7)",
		"consumers.logs.max_in_flight: must be 1 or more (app.yaml:13)",
	}, texts(t, err))

	var first *config.KeyError
	require.ErrorAs(t, err, &first)
	require.Equal(t, "iggy.dial_timeout", first.Key)
	require.Equal(t, config.Source{File: "app.yaml", Line: 3}, first.Source)
}

func TestNilOptionIsAnError(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.WithEnviron(nil), nil)
	require.EqualError(t, err, "config: option 2 of 2 is nil")
}
