package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// The configuration that an application prints can be loaded again.
func TestConfigReadsBackWhatItMarshals(t *testing.T) {
	t.Parallel()
	want := valid()
	topic("tasks", func(t *config.Topic) { t.Retention = config.RetentionForever })(&want)
	topic("logs", func(t *config.Topic) { t.Retention = config.RetentionDefault })(&want)
	want.Producer.MaxBatchBytes = 12345
	text, err := yaml.Marshal(want)
	require.NoError(t, err)
	require.NotContains(t, string(text), password)
	got, err := load(string(text))
	require.NoError(t, err)
	require.Equal(t, want, got)
}
