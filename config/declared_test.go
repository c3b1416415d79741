package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

type node struct {
	Children map[string]node
}

type tree map[string]tree

type base struct{ Addr string }

// A section whose keys can't all be configured is a fault of the program, and not a panic or a load
// that never ends.
func TestASectionThatCannotBeConfigured(t *testing.T) {
	t.Parallel()
	type notExported struct {
		inner base `yaml:",inline"`
	}
	type embedded struct {
		base `yaml:",inline"`
	}
	for name, tt := range map[string]struct {
		target any
		want   string
	}{
		"a struct of itself":      {new(node), "http.children.*: type config_test.node contains itself"},
		"a map of itself":         {new(struct{ Tree tree }), "http.tree: values of type config_test.tree can't be configured"},
		"inline and not exported": {&notExported{inner: base{}}, "http: the field inner can't be inline"},
		"inline map": {new(struct {
			Labels map[string]string `yaml:",inline"`
		}), "http: the field Labels can't be inline"},
		"two keys of one name": {new(struct {
			A, B string `yaml:"max-age"`
		}), "http.max-age: there are two keys of that name (max-age)"},
		"two keys of one variable": {new(struct {
			A string `yaml:"max-age"`
			B string `yaml:"max_age"`
		}), "http.max_age: there are two keys of that name (max-age)"},
		"embedded, as it should be":   {new(embedded), ""},
		"a struct twice, one by one":  {new(struct{ A, B base }), ""},
		"a list of texts, as a value": {new(struct{ A []string }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.WithSection("http", tt.target), config.WithYAML("", nil), config.WithEnviron(nil))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestTheLastOfFileAndYAMLCounts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shop.yaml")
	require.NoError(t, os.WriteFile(path, []byte("iggy: {client_id: file, client_secret: s}\n"), 0o600))
	memory := config.WithYAML("memory.yaml", []byte("iggy: {client_id: memory, client_secret: s}\n"))
	for want, opts := range map[string][]config.Option{
		"file":   {memory, config.WithFile(path), config.WithFile("")},
		"memory": {config.WithFile(path), memory, config.WithFile("")},
	} {
		cfg, err := config.Load(append(opts, config.WithEnviron(nil))...)
		require.NoError(t, err)
		require.Equal(t, want, cfg.Iggy.ClientID)
	}
}

func TestNamesOfAClusterThatHaveOneVariable(t *testing.T) {
	t.Parallel()
	c := config.DefaultCluster()
	c.Consumers = map[string]config.Consumer{"a-b": config.DefaultConsumer("x"), "a_b": config.DefaultConsumer("y")}
	c.Topics.Declared = map[string]config.Topic{"c-d": config.DefaultTopic("s", "x"), "C_d": config.DefaultTopic("s", "y")}
	_, err := config.Load(config.WithCluster("eu", c), config.WithYAML("", nil), config.WithEnviron(nil))
	require.ErrorContains(t, err, `consumer "a_b": there is one of that name already (a-b)`)
	require.ErrorContains(t, err, `topic "c-d": there is one of that name already (C_d)`)
}
