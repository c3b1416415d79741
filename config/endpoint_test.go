package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestEndpoint(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"iggy://broker":          "broker:8090",
		"tcp://broker:9000":      "broker:9000",
		"iggy://127.0.0.1:8090/": "127.0.0.1:8090",
		"iggy://[::1]":           "[::1]:8090",
		"tcp://[fe80::1]:7":      "[fe80::1]:7",
		"IGGY://broker":          "broker:8090",
	} {
		i := config.Iggy{Endpoint: endpoint}
		require.Equal(t, want, i.Address(), endpoint)
	}
	require.Equal(t, "::1", config.Iggy{Endpoint: "iggy://[::1]:5"}.Host())
	several := config.Iggy{Endpoint: "iggy://a:8091,b,[::1]:7,10.0.0.4/"}
	require.Equal(t, []string{"a:8091", "b:8090", "[::1]:7", "10.0.0.4:8090"}, several.Addresses())
	require.Equal(t, "a:8091", several.Address())
	require.Equal(t, "a", several.Host())

	for endpoint, want := range map[string]string{
		"":                       "must be iggy://host:port or tcp://host:port",
		"broker:8090":            "must be iggy://host:port or tcp://host:port",
		"://":                    "must be iggy://host:port or tcp://host:port",
		"iggy:broker":            "must be iggy://host:port or tcp://host:port",
		"http://broker":          "not another scheme",
		"iggy+quic://broker":     "not another scheme",
		"iggy://":                "with a host",
		"iggy://:8090":           "with a host",
		"iggy://broker:":         "with a port after the colon",
		"iggy://broker:0":        "with a port of 1 to 65535",
		"iggy://broker:65536":    "with a port of 1 to 65535",
		"iggy://broker:x":        "must be iggy://host:port",
		"iggy://broker/x":        "without a path",
		"iggy://broker?x=1":      "without a query",
		"iggy://broker?":         "without a query",
		"iggy://broker#":         "without a query or a fragment",
		"iggy://user@broker":     "without a user or a password: they belong in client_id and client_secret",
		"iggy://user:pw@broker":  "without a user or a password",
		"iggy://user:pw@broker?": "without a user or a password",
		"iggy://a,":              "with a host",
		"iggy://,b":              "with a host",
		"iggy://a,,b":            "with a host",
		"iggy://a,b:0":           "with a port of 1 to 65535",
		"iggy://a,user:pw@b":     "without a user or a password",
		"iggy://a,iggy://b":      "without a path",
	} {
		c := valid()
		c.Iggy.Endpoint = endpoint
		err := c.Validate()
		require.ErrorContains(t, err, "iggy.endpoint: must be iggy://host:port", endpoint)
		require.ErrorContains(t, err, want, endpoint)
		require.Empty(t, c.Iggy.Address(), endpoint)
		require.Empty(t, c.Iggy.Host(), endpoint)
		require.Empty(t, c.Iggy.Addresses(), endpoint)
	}
}
