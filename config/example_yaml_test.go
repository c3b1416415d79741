package config_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/config"
)

const example = "fetchbox.example.yaml"

func TestExampleFileIsTheDefault(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.WithFile(example), config.WithEnviron(nil))
	require.EqualError(t, err, "iggy.client_id: must be set, with client_secret or client_secret_file, unless token is (fetchbox.example.yaml:19)")

	got, err := config.Load(config.WithFile(example), config.WithEnviron(login))
	require.NoError(t, err)
	require.Equal(t, valid(), got)
}

func TestExampleFileHasEveryKey(t *testing.T) {
	t.Parallel()
	// What the structs marshal to has every key that they have.
	text, err := yaml.Marshal(config.Default())
	require.NoError(t, err)
	var want, got map[string]any
	require.NoError(t, yaml.Unmarshal(text, &want))
	text, err = os.ReadFile(example)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &got))
	require.NotEmpty(t, want)
	require.Equal(t, keys(want), keys(got))
}

// keys returns m without its values.
func keys(m map[string]any) map[string]any {
	all := map[string]any{}
	for key, value := range m {
		all[key] = nil
		if section, ok := value.(map[string]any); ok {
			all[key] = keys(section)
		}
	}
	return all
}

// The configuration that an application prints can be loaded again.
func TestConfigReadsBackWhatItMarshals(t *testing.T) {
	t.Parallel()
	want := valid()
	want.Topics.Tasks.Retention, want.Topics.Logs.Retention = config.RetentionForever, config.RetentionDefault
	want.Producer.MaxBatchBytes = 12345
	text, err := yaml.Marshal(want)
	require.NoError(t, err)
	require.NotContains(t, string(text), password)
	got, err := load(string(text))
	require.NoError(t, err)
	require.Equal(t, want, got)
}
