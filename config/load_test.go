package config_test

import (
	"errors"
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
	want.Topics.Tasks.Retention = config.Retention(36 * time.Hour)
	want.Topics.Tasks.Partitions = 16
	want.Topics.Logs.Retention = config.RetentionForever
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
		c, err := config.Load(append(opts, config.WithEnviron(append(environ, login...)))...)
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
	_, err := config.Load(config.WithFile(missing), config.WithEnviron(login))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, missing)

	_, err = config.Load(config.WithEnviron(append([]string{"FETCHBOX_CONFIG=" + missing}, login...)))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "(FETCHBOX_CONFIG)")

	_, err = config.Load(config.WithFile(t.TempDir()), config.WithEnviron(login))
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
	require.True(t, errors.As(err, &first))
	require.Equal(t, "iggy.dial_timeout", first.Key)
	require.Equal(t, config.Source{File: "app.yaml", Line: 3}, first.Source)
}

func TestLoadFaultsOfTheFileItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"syntax":         {"iggy:\n  endpoint: [\n", []string{"not valid YAML: did not find expected node content (app.yaml:2)"}},
		"tab":            {"iggy:\n\tendpoint: x\n", []string{"not valid YAML: found character that cannot start any token (app.yaml:2)"}},
		"unknown anchor": {"iggy: *nowhere\n", []string{"not valid YAML: unknown anchor … referenced (app.yaml)"}},
		"list":           {"- a\n", []string{"must be a section of keys (app.yaml:1)"}},
		"two documents":  {"iggy: {}\n---\niggy: {}\n", []string{"must be a single YAML document (app.yaml:2)"}},
		"set twice": {"iggy:\n  client_id: a\nhealth:\n  timeout: 1s\niggy: {}\n", []string{
			"iggy: is already set at line 1 (app.yaml:5)",
		}},
		"null":          {"iggy:\n  endpoint:\n", []string{`iggy.endpoint: must have a value ("" for an empty one) (app.yaml:2)`}},
		"tag":           {"iggy: {client_id: !!binary aGk=}\n", []string{"iggy.client_id: must have no tag of its own (app.yaml:1)"}},
		"key no scalar": {"? {a: 1}\n: x\n", []string{"keys must be plain text (app.yaml:1)"}},
		"case":          {"Iggy: {}\n", []string{"Iggy: unknown key; did you mean iggy? (app.yaml:1)"}},
		"merge": {"health:\n  <<: 5s\n  <<: [{timeout: 2s}, x]\n", []string{
			"health: only sections can be merged (app.yaml:2)", "health: only sections can be merged (app.yaml:3)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(c.yaml)
			require.Equal(t, c.want, texts(t, err))
		})
	}
}

func TestLoadAnchorsAndMerges(t *testing.T) {
	t.Parallel()
	c, err := load(`
consumers:
  tasks: &patient {max_in_flight: 7, drain_timeout: 1m, group: a}
  status: *patient
  logs:
    group: b
    <<: *patient
  dlq:
    <<: [{group: first}, *patient]
`)
	require.NoError(t, err)
	want := config.DefaultConsumer("a")
	want.MaxInFlight, want.DrainTimeout = 7, time.Minute
	require.Equal(t, want, c.Consumers["status"])
	want.Group = "b"
	require.Equal(t, want, c.Consumers["logs"])
	want.Group = "first"
	require.Equal(t, want, c.Consumers["dlq"])
}

// Merges within merges once took time that grew exponentially.
func TestLoadBoundsMerges(t *testing.T) {
	t.Parallel()
	yaml := "consumers:\n  tasks: &a0 {group: a}\n"
	for i, name := range []string{"status", "logs", "dlq"} {
		ref := "*a" + string(rune('0'+i))
		yaml += "  " + name + ": &a" + string(rune('1'+i)) + "\n    <<: [" + ref
		for range 40 {
			yaml += ", " + ref
		}
		yaml += "]\n"
	}
	_, err := load(yaml)
	require.ErrorContains(t, err, "too many merges")
}

func TestLoadTakesScalarsAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	c, err := load("iggy:\n  client_id: 0123\nconsumers:\n  tasks: {group: yes}\n  logs: {group: !!str 1e3}\n")
	require.NoError(t, err)
	require.Equal(t, "worker", c.Iggy.ClientID, "the environment is over the file")
	require.Equal(t, "yes", c.Consumers["tasks"].Group)
	require.Equal(t, "1e3", c.Consumers["logs"].Group)

	c, err = config.Load(config.WithYAML("app.yaml", []byte("iggy: {client_id: 0123, client_secret: 007}\n")), config.WithEnviron(nil))
	require.NoError(t, err)
	require.Equal(t, "0123", c.Iggy.ClientID)
	require.Equal(t, "007", c.Iggy.ClientSecret.Reveal())
}

func TestLoadEmptyVariableEmptiesTheKey(t *testing.T) {
	t.Parallel()
	c, err := config.Load(
		config.WithYAML("app.yaml", []byte("iggy: {client_id: a, client_secret: b}\n")),
		config.WithEnviron([]string{"FETCHBOX__IGGY__CLIENT_ID=", "FETCHBOX__IGGY__CLIENT_SECRET=", "FETCHBOX__IGGY__TOKEN=t=1"}),
	)
	require.NoError(t, err)
	require.Equal(t, "t=1", c.Iggy.Token.Reveal())
	require.False(t, c.Iggy.ClientSecret.IsSet())
}

func TestLoadReadsTheProcessEnvironment(t *testing.T) {
	t.Setenv("FETCHBOX__IGGY__TOKEN", "from the process")
	c, err := config.Load()
	require.NoError(t, err)
	require.Equal(t, "from the process", c.Iggy.Token.Reveal())
}

func TestDefaultsAreNotShared(t *testing.T) {
	t.Parallel()
	_, err := load("consumers: {tasks: {group: changed}}\n")
	require.NoError(t, err)
	require.Equal(t, "workers", config.Default().Consumers["tasks"].Group)
}
