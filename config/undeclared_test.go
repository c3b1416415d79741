package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// A tool accepts the file and the variables of the services.
func TestIgnoreUndeclared(t *testing.T) {
	t.Parallel()
	yaml := `
http: {addr: x}
http: {addr: y}
common: &common {group: g}
consumers:
  tasks: {<<: *common}
  orders: {group: x, own: 1}
  returns:
topics:
  tasks: {partitions: 3}
  orders: {colour: red}
clusters:
  eu: {iggy: {token: eu}, consumers: {orders: {}}, topics: {orders: {}}}
  us: {iggy: {endpont: x}}
iggy:
  client_id: a
  client_secret: |
    b
worker: 7
`
	environ := []string{
		"FETCHBOX__DOWNLOAD__TIMEOUT=1s", "FETCHBOX__CONSUMERS__ORDERS__GROUP=y", "fetchbox__topics__orders__stream=z",
		"FETCHBOX__CLUSTERS__US__IGGY__ENDPOINT=u", "FETCHBOX__CLUSTERS__EU__CONSUMERS__ORDERS__OWN=1", "FETCHBOX__WORKER=7",
	}
	var ignored []string
	report := func(key string) { ignored = append(ignored, key) }
	load := func(report func(string), yaml string, environ ...string) (config.Config, error) {
		return loadWith(config.IgnoreUndeclared(report), config.WithCluster("eu", jobs.DefaultCluster()),
			config.WithYAML("app.yaml", []byte(yaml)), config.WithEnviron(environ))
	}
	got, err := load(report, yaml, environ...)
	require.NoError(t, err)
	require.Len(t, got.Consumers, 4)
	require.Equal(t, "g", got.Consumers["tasks"].Group)
	require.EqualValues(t, 3, got.Topics.Declared["tasks"].Partitions)
	require.Equal(t, "eu", got.Clusters["eu"].Iggy.Token.Reveal())
	require.Equal(t, "b\n", got.Iggy.ClientSecret.Reveal())
	require.ElementsMatch(t, []string{
		"http", "http", "common", "consumers.orders", "consumers.returns", "topics.orders", "clusters.eu.consumers.orders", "clusters.eu.topics.orders",
		"clusters.us", "worker", "download", "consumers.orders", "topics.orders", "clusters.us", "clusters.eu.consumers.orders", "worker",
	}, ignored)

	for name, tt := range map[string]struct {
		yaml    string
		environ []string
		want    []string
	}{
		"misspelled section":                   {"iggyy: {}\n", nil, []string{"iggyy: unknown key; did you mean iggy? (app.yaml:1)"}},
		"in another case":                      {"Topics: {}\n", nil, []string{"Topics: unknown key; did you mean topics? (app.yaml:1)"}},
		"beside the section that it resembles": {"topic: {}\ntopics: {}\n", []string{"FETCHBOX__TOPIC__X=1"}, nil},
		"misspelled in both":                   {"topic: {}\n", []string{"FETCHBOX__TOPIC__X=1"}, []string{"topic: unknown key; did you mean topics? (app.yaml:1)"}},
		"misspelled variable":                  {"", []string{"FETCHBOX__TOPIC__X=1"}, []string{"topic.x: unknown key; did you mean topics? (FETCHBOX__TOPIC__X)"}},
		"unknown key of a known section":       {"iggy: {endpont: x}\n", nil, []string{"iggy.endpont: unknown key; did you mean endpoint? (app.yaml:1)"}},
		"value in the place of a section":      {"topics: {stream: x}\n", []string{"FETCHBOX__TOPICS__STREAM=x"}, []string{"topics.stream: unknown key (app.yaml:1)", "topics.stream: unknown key (FETCHBOX__TOPICS__STREAM)"}},
		"lines of a secret": {"iggy:\n  client_secret:\nabc: {}\n", nil, []string{
			`iggy.client_secret: must have a value ("" for an empty one) (app.yaml:2)`,
			"unknown key, not shown because it may be a part of iggy.client_secret: indent all lines of that value (app.yaml:3)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(nil, tt.yaml, tt.environ...)
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			require.Equal(t, tt.want, texts(t, err))
		})
	}
}
