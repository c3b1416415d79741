package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestLoadEmptyVariableEmptiesTheKey(t *testing.T) {
	t.Parallel()
	c, err := loadWith(
		config.WithYAML("app.yaml", []byte("iggy: {client_id: a, client_secret: b}\n")),
		config.WithEnviron([]string{"FETCHBOX__IGGY__CLIENT_ID=", "FETCHBOX__IGGY__CLIENT_SECRET=", "FETCHBOX__IGGY__TOKEN=t=1"}),
	)
	require.NoError(t, err)
	require.Equal(t, "t=1", c.Iggy.Token.Reveal())
	require.False(t, c.Iggy.ClientSecret.IsSet())
}

func TestLoadReadsTheProcessEnvironment(t *testing.T) {
	t.Setenv("FETCHBOX__IGGY__TOKEN", "from the process")
	c, err := loadWith()
	require.NoError(t, err)
	require.Equal(t, "from the process", c.Iggy.Token.Reveal())
}
