package config_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func FuzzLoad(f *testing.F) {
	// Small seeds: the fuzzer takes minutes to shrink what it finds in a large one.
	f.Add([]byte("iggy: {client_id: a, client_secret: 'the first secret of all'}\n"), "FETCHBOX__IGGY__DIAL_TIMEOUT=5s")
	f.Add([]byte("iggy:\n  token: |\n    x\ntopics:\n  tasks: {retention: 1d, max_size: 2GiB}\n"), "FETCHBOX__HEALTH__INTERVAL=1s")
	f.Add([]byte("consumers: {tasks: &a {group: x}, logs: {<<: [*a]}}"), "FETCHBOX__CONSUMERS__A_B__GROUP=")
	f.Add([]byte("server: {addr: x, labels: {a: 1}, origins: [a], pools: {main: {size: 1}}}"), "FETCHBOX__SERVER__LABELS__X=7")
	f.Add([]byte("a: &a [*a]\n? [x]\n: !!map {}\n---\n"), "FETCHBOX__=\x00")
	f.Fuzz(func(t *testing.T, data []byte, variable string) {
		s := newServer()
		c, err := loadWith(config.WithYAML("f", data), config.WithEnviron([]string{variable}), config.WithSection("server", &s),
			config.WithConsumer("a-b", config.DefaultConsumer("g")), config.WithCluster("eu", config.DefaultCluster()))
		if err != nil {
			if s.Addr != newServer().Addr {
				t.Fatal("a section changed although loading failed")
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatal("loaded, but not valid: ", err)
		}
		text, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if secret := c.Iggy.ClientSecret.Reveal(); len(secret) > 20 && strings.Contains(string(text), secret) {
			t.Fatal("the secret is shown")
		}
	})
}

func FuzzParseRetention(f *testing.F) {
	for _, text := range []string{"7d", "1d12h", "-1", "0", "90m"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := config.ParseRetention(text)
		if err != nil {
			return
		}
		if again, err := config.ParseRetention(r.String()); err != nil || again != r || r < -1 {
			t.Fatalf("%q is %d, written as %q, read as %d (%v)", text, r, r, again, err)
		}
	})
}

func FuzzParseBytes(f *testing.F) {
	for _, text := range []string{"64MiB", "10 MB", "1.5kB", "-1", "1e3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := config.ParseBytes(text)
		if err != nil {
			return
		}
		if again, err := config.ParseBytes(b.String()); err != nil || again != b {
			t.Fatalf("%q is %d, written as %q, read as %d (%v)", text, b, b, again, err)
		}
	})
}

func FuzzEndpoint(f *testing.F) {
	for _, text := range []string{"iggy://host:8090", "tcp://[::1]", "iggy://u:p@h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		i := config.Iggy{Endpoint: endpoint}
		if (i.Address() == "") != (i.Host() == "") {
			t.Fatalf("%q: address %q, host %q", endpoint, i.Address(), i.Host())
		}
	})
}
