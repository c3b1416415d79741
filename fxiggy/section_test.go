package fxiggy_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
)

// httpConfig is a section of an application.
type httpConfig struct {
	Addr    string            `yaml:"addr"`
	Timeout time.Duration     `yaml:"timeout"`
	Labels  map[string]string `yaml:"labels"`
}

func (c httpConfig) Validate() error {
	if c.Addr == "" {
		return &config.KeyError{Key: "addr", Err: errors.New("must be set")}
	}
	return nil
}

// A constructor that comes before everything else gets the section as configured.
func TestASectionIsLoadedBeforeAnyoneCanSeeIt(t *testing.T) {
	t.Parallel()
	defaults := httpConfig{Addr: ":80", Timeout: time.Second, Labels: map[string]string{"a": "1"}}
	build := func(got *httpConfig, opts ...fx.Option) error {
		type early struct{ addr string }
		return fx.New(append([]fx.Option{
			quiet,
			fx.Provide(func(c httpConfig) early { return early{c.Addr} }),
			fx.Invoke(func(e early, c httpConfig) {
				*got = c
				if e.addr != c.Addr {
					panic("the constructor saw " + e.addr)
				}
			}),
			fxiggy.Section("http", defaults), fxiggy.Core,
		}, opts...)...).Err()
	}
	var got httpConfig
	require.NoError(t, build(&got, fxiggy.ConfigOptions(
		config.WithYAML("shop.yaml", []byte("http: {addr: ':8080', labels: {b: '2'}}\n")), config.WithEnviron([]string{"IGGY__HTTP__TIMEOUT=5s"}))))
	require.Equal(t, httpConfig{Addr: ":8080", Timeout: 5 * time.Second, Labels: map[string]string{"a": "1", "b": "2"}}, got)
	require.Equal(t, map[string]string{"a": "1"}, defaults.Labels)

	require.NoError(t, build(&got, configured("")))
	require.Equal(t, defaults, got, "another application with the same option")
	require.NoError(t, build(&got, fxiggy.Config(config.Default())))
	require.Equal(t, defaults, got, "without a file")

	err := build(&got, configured("http: {addr: '', tineout: 1s}\n"))
	require.EqualError(t, fxiggy.Cause(err), "2 faults:\n  - http.tineout: unknown key; did you mean timeout? (test.yaml:1)\n  - http.addr: must be set (test.yaml:1)")
	defaults.Addr = ""
	require.EqualError(t, fxiggy.Cause(build(&got, fxiggy.Config(config.Default()))), "http.addr: must be set")
	require.ErrorContains(t, build(&got, configured(""), fxiggy.Section("http", struct{ A int }{})), `section "http": there is one of that name already`)
	require.EqualError(t, fxiggy.Cause(build(&got, configured(""), fxiggy.Section("tls", &httpConfig{}))),
		`fxiggy: section "tls": the defaults must be a struct, fxiggy_test.httpConfig, not a pointer to it`)
	require.EqualError(t, fxiggy.Cause(build(&got, configured(""), fxiggy.Section("port", 80))), `fxiggy: section "port": the defaults must be a struct, not int`)
}
