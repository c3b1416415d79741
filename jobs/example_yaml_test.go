package jobs_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

const example = "fetchbox.example.yaml"

func TestExampleFileIsTheDefault(t *testing.T) {
	t.Parallel()
	got, err := config.Load(append(jobs.Options(), config.WithFile(example), config.WithEnviron(nil))...)
	require.NoError(t, err)
	want := config.Default()
	want.Cluster = jobs.DefaultCluster()
	require.Equal(t, want, got)
	require.EqualError(t, got.ValidateCluster(""), "iggy.client_id: must be set, with client_secret or client_secret_file, unless token is")
}

func TestExampleFileHasEveryKey(t *testing.T) {
	t.Parallel()
	// What the structs marshal to has every key that they have.
	all := config.Default()
	all.Cluster = jobs.DefaultCluster()
	text, err := yaml.Marshal(all)
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
