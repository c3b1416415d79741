package link_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
)

// wrapped is a dialer that no configuration names.
type wrapped struct{ transport.Dialer }

func TestSessionsWithTheSameConfigurationAndServerHaveEqualServers(t *testing.T) {
	t.Parallel()
	one, two := iggytest.NewServer(t), iggytest.NewServer(t)
	at := func(s *iggytest.Server, change func(*config.Iggy), opts ...link.Option) link.Server {
		cfg := settings()
		cfg.Endpoint = "iggy://" + s.Address()
		cfg.ClientID, cfg.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
		if change != nil {
			change(&cfg)
		}
		l, err := link.New("test", cfg, opts...)
		require.NoError(t, err)
		require.NoError(t, l.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, l.Stop(context.Background())) })
		session, err := l.Session(t.Context())
		require.NoError(t, err)
		return session.Server()
	}
	ownDialer := link.WithDialer(wrapped{native.Dialer{}})
	servers := map[link.Server]string{at(one, nil): "one"}
	require.Contains(t, servers, at(one, nil), "the same")
	for name, other := range map[string]link.Server{
		"another server":    at(two, nil),
		"another transport": at(one, func(c *config.Iggy) { c.Transport = config.TransportSDK }),
		"more hosts":        at(one, func(c *config.Iggy) { c.Endpoint += "," + two.Address() }),
		"other timeout":     at(one, func(c *config.Iggy) { c.DialTimeout++ }),
		"own dialer":        at(one, nil, ownDialer),
		"other own dialer":  at(one, nil, ownDialer),
	} {
		require.NotContains(t, servers, other, name)
		servers[other] = name
	}
}

// Another login may see other topics.
func TestServersDifferByLogin(t *testing.T) {
	t.Parallel()
	with := func(change func(*config.Iggy)) link.Server {
		cfg := settings()
		cfg.ClientID, cfg.ClientSecret, cfg.Token = "iggy", config.NewSecret("a"), config.NewSecret("b")
		change(&cfg)
		return link.ServerWith(cfg)
	}
	same := with(func(*config.Iggy) {})
	require.Equal(t, same, with(func(*config.Iggy) {}))
	for name, change := range map[string]func(*config.Iggy){
		"id":              func(c *config.Iggy) { c.ClientID = "other" },
		"secret":          func(c *config.Iggy) { c.ClientSecret = config.NewSecret("other") },
		"token":           func(c *config.Iggy) { c.Token = config.NewSecret("other") },
		"file":            func(c *config.Iggy) { c.ClientSecretFile = "other" },
		"secret as token": func(c *config.Iggy) { c.ClientSecret, c.Token = c.Token, c.ClientSecret },
	} {
		require.NotEqual(t, same, with(change), name)
	}
}
