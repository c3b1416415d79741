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

func TestLoadSuggestsTheVariableWithUnderscoresInPairs(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"FETCHBOX__IGGY_CLIENT_SECRET=x":          "iggy_client_secret: unknown key; did you mean FETCHBOX__IGGY__CLIENT_SECRET? (FETCHBOX__IGGY_CLIENT_SECRET)",
		"FETCHBOX__PRODUCER__RETRY_MAX_RETRIES=1": "producer.retry_max_retries: unknown key; did you mean FETCHBOX__PRODUCER__RETRY__MAX_RETRIES? (FETCHBOX__PRODUCER__RETRY_MAX_RETRIES)",
		"FETCHBOX__IGGY__CLIENT__SECRET=x":        "iggy.client.secret: unknown key; did you mean FETCHBOX__IGGY__CLIENT_SECRET? (FETCHBOX__IGGY__CLIENT__SECRET)",
		"FETCHBOX__IGGY__CLIENT_SECRET__FILE=x":   "iggy.client_secret.file: unknown key; did you mean FETCHBOX__IGGY__CLIENT_SECRET_FILE? (FETCHBOX__IGGY__CLIENT_SECRET__FILE)",
		"FETCHBOX__IGGY_CLIENT_SECRETS=x":         "iggy_client_secrets: unknown key (FETCHBOX__IGGY_CLIENT_SECRETS)",
		"FETCHBOX__PRODUCER_RETRY=3":              "producer_retry: unknown key (FETCHBOX__PRODUCER_RETRY)", // a section
	} {
		_, err := loadWith(config.WithEnviron([]string{variable}))
		require.EqualError(t, err, want)
	}
	_, err := loadWith(config.WithEnviron([]string{"FETCHBOX__IGGY_CLIENT_SECRET=x", "FETCHBOX__SERVER_ADDR=x"}), config.IgnoreUndeclared(nil))
	require.EqualError(t, err, "iggy_client_secret: unknown key; did you mean FETCHBOX__IGGY__CLIENT_SECRET? (FETCHBOX__IGGY_CLIENT_SECRET)",
		"it is not taken for the section of another program")
}
