package iggytest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
	topics "github.com/fetchbox/fetchbox-iggy/topic"
)

func TestStoredMessageHasItsHeaders(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	srv.CreateTopic(stream, topic, 1)
	cfg := config.Default()
	cfg.Iggy.Endpoint = srv.Endpoint()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, p.Stop(context.Background())) })

	headers := []topics.Header{{Key: "tenant", Value: "a"}, {Key: "b", Value: "c"}}
	_, err = p.Send(t.Context(), producer.Message{Stream: stream, Topic: topic, Payload: []byte("x"), Headers: headers})
	require.NoError(t, err)
	_, err = p.Send(t.Context(), producer.Message{Stream: stream, Topic: topic, Payload: []byte("y")})
	require.NoError(t, err)
	stored := srv.Messages(stream, topic)
	require.Equal(t, headers, stored[0].Headers)
	require.Equal(t, "a", stored[0].Header("Tenant"))
	require.Empty(t, stored[0].Header("c"))
	require.Nil(t, stored[1].Headers)
}

// A configuration may name several servers, one of each cluster.
func TestYAMLOfNamedClusters(t *testing.T) {
	t.Parallel()
	home, eu, us := iggytest.NewServer(t), iggytest.NewTLSServer(t), iggytest.NewServer(t)
	yaml := home.YAML(iggytest.Named("eu", eu), iggytest.Named("us", us))
	load := func(text string) (config.Config, error) {
		return config.Load(config.WithYAML("test.yaml", []byte(text)), config.WithEnviron(nil),
			config.WithCluster("eu", config.DefaultCluster()), config.WithCluster("us", config.DefaultCluster()))
	}
	cfg, err := load(string(yaml) + "    topics: {provision: off}\nhealth: {interval: 0s}\n")
	require.NoError(t, err)
	require.Equal(t, home.Endpoint(), cfg.Iggy.Endpoint)
	require.Equal(t, eu.Endpoint(), cfg.Clusters["eu"].Iggy.Endpoint)
	require.True(t, cfg.Clusters["eu"].Iggy.TLS.Enabled)
	require.Equal(t, us.Endpoint(), cfg.Clusters["us"].Iggy.Endpoint)
	require.False(t, cfg.Clusters["us"].Topics.Provision)
	for _, c := range []config.Iggy{cfg.Iggy, cfg.Clusters["eu"].Iggy, cfg.Clusters["us"].Iggy} {
		p, err := producer.New(c, cfg.Producer)
		require.NoError(t, err)
		require.NoError(t, p.Start(t.Context()))
		require.NoError(t, p.Stop(t.Context()))
	}
}
