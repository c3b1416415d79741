package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// login is the environment that makes the defaults valid.
var login = []string{"FETCHBOX__IGGY__CLIENT_ID=worker", "FETCHBOX__IGGY__CLIENT_SECRET=" + password}

const password = "hunter2-correct-horse"

// load loads YAML with the given environment and with credentials.
func load(yaml string, environ ...string) (config.Config, error) {
	return loadWith(config.WithYAML("app.yaml", []byte(yaml)), config.WithEnviron(withLogin(environ)))
}

// loadWith loads the configuration of an application with FetchBox's topics, consumers and prefix.
func loadWith(opts ...config.Option) (config.Config, error) {
	return config.Load(append(jobs.Options(), opts...)...)
}

// withLogin adds the variables of login that environ lacks.
func withLogin(environ []string) []string {
	all := slices.Clone(environ)
	for _, variable := range login {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
			all = append(all, variable)
		}
	}
	return all
}

// valid is what loadWith returns when nothing but the login is configured.
func valid() config.Config {
	c := config.Default()
	c.Cluster = jobs.DefaultCluster()
	c.Iggy.ClientID, c.Iggy.ClientSecret = "worker", config.NewSecret(password)
	return c
}

// topic returns a change of one topic.
func topic(name string, change func(*config.Topic)) func(*config.Config) {
	return func(c *config.Config) {
		t := c.Topics.Declared[name]
		change(&t)
		c.Topics.Declared[name] = t
	}
}

// texts returns the texts of all faults.
func texts(t *testing.T, err error) []string {
	t.Helper()
	require.Error(t, err)
	var all []string
	for _, fault := range config.Faults(err) {
		all = append(all, fault.Error())
	}
	return all
}
