package fxiggy_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/dig"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

func TestConfigurationFaultsAreOneClearError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []fx.Option
		want []string
	}{
		{"unknown key", []fx.Option{configured("iggy: {endpont: x}")}, []string{"test.yaml:1", "iggy.endpont"}},
		{"several faults", []fx.Option{configured("iggy: {endpoint: 'http://x'}\nproducer: {connections: 0}")}, []string{"iggy.endpoint", "producer.connections"}},
		{"missing file", []fx.Option{fxiggy.ConfigFile("/no/such/file.yaml"), fxiggy.ConfigOptions(config.WithEnviron(nil))}, []string{"/no/such/file.yaml"}},
		{"missing secret file", []fx.Option{configured("iggy: {client_id: a, client_secret_file: /no/such/secret}")}, []string{"client_secret_file", "/no/such/secret"}},
		{"a consumer twice", []fx.Option{configured(""), fxiggy.Consume(Orders, "tasks")}, []string{`"tasks"`}},
		{"an unknown cluster", []fx.Option{configured(""), fxiggy.Consume(Orders, "orders", fxiggy.On("mars"))}, []string{`"orders"`, `"mars"`}},
		{"a cluster of the unnamed one's name", []fx.Option{configured(""), fxiggy.Named("default")}, []string{`"default"`}},
		{"Config and a file", []fx.Option{fxiggy.Config(config.Default()), fxiggy.ConfigFile("a.yaml")}, []string{"ConfigFile"}},
		{"Config twice", []fx.Option{fxiggy.Config(config.Default()), fxiggy.Config(config.Default())}, []string{"twice"}},
		{"a bad Config", []fx.Option{fxiggy.Config(config.Config{})}, []string{"iggy.endpoint", "producer.connections"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := fx.New(append(tt.opts, quiet, fxiggy.Module, fx.Invoke(func(*jobs.Publisher) {}))...).Err()
			require.Error(t, err)
			for _, part := range tt.want {
				require.ErrorContains(t, err, part)
			}
			root := dig.RootCause(err).Error()
			require.Contains(t, root, tt.want[0], "the root cause says it without Fx's frames")
			require.NotContains(t, root, "could not build", root)
		})
	}
}

// Module has FetchBox's prefix unless the application sets its own.
func TestPrefixOfVariables(t *testing.T) {
	t.Parallel()
	for prefix, opts := range map[string][]fx.Option{
		"FETCHBOX": {fxiggy.Module},
		"SHOP":     {fxiggy.Prefix("SHOP"), fxiggy.Module},
		"IGGY":     {fxiggy.Core},
	} {
		var cfg config.Config
		environ := config.WithEnviron([]string{prefix + "__IGGY__TOKEN=t", "OTHER__IGGY__TOKEN=x"})
		require.NoError(t, fx.New(append(opts, quiet, fxiggy.ConfigOptions(environ), fx.Populate(&cfg))...).Err())
		require.Equal(t, "t", cfg.Iggy.Token.Reveal(), prefix)
	}
	for _, bad := range []string{"", "A__B"} {
		err := fx.New(quiet, fxiggy.Core, fxiggy.Prefix(bad), fx.Invoke(func(config.Config) {})).Err()
		require.ErrorContains(t, err, fmt.Sprintf("prefix %q: must be letters and digits", bad))
	}
}

func TestConfigTakesWhatIsLoaded(t *testing.T) {
	t.Parallel()
	srv := server(t)
	cfg, err := config.Load(append(jobs.Options(), config.WithYAML("test.yaml", []byte(yaml(srv))), config.WithEnviron(nil))...)
	require.NoError(t, err)
	var got config.Config
	start(t, fxiggy.Config(cfg), fxiggy.Consume(Orders, "orders"), fx.Populate(&got), fx.Invoke(func(*consumer.Consumer[Order]) {}))
	require.Equal(t, srv.Address(), got.Iggy.Address())
	require.Equal(t, config.DefaultConsumer("orders"), got.Consumers["orders"], "declared, and not in the configuration")
	require.NotContains(t, cfg.Consumers, "orders", "the caller's configuration stays as it is")
}
