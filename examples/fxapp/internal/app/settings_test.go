package app_test

import (
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
)

// Each key of the server is described, with its default.
func TestKeysAreDescribed(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../../docs/example.md")
	require.NoError(t, err)
	defaults := reflect.ValueOf(app.DefaultServer())
	for i := range defaults.NumField() {
		text := "none"
		if !defaults.Field(i).IsZero() {
			text = fmt.Sprintf("`%v`", defaults.Field(i).Interface())
		}
		require.Contains(t, string(page), fmt.Sprintf("| `server.%s` | %s |", defaults.Type().Field(i).Tag.Get("yaml"), text))
	}
}

// Each number has its bounds, and all errors are reported at once.
func TestServerIsValidated(t *testing.T) {
	t.Parallel()
	bad := app.Server{Addr: "nowhere", ProbeAddr: "elsewhere", Hosts: []string{"a.example.com:80"}, MaxConnections: 1 << 40, PublishTimeout: -1}
	var keys []string
	for _, fault := range config.Faults(bad.Validate()) {
		keys = append(keys, fault.Key)
	}
	require.Equal(t, []string{"addr", "probe_addr", "hosts", "max_connections", "max_streams", "publish_timeout"}, keys)
	for _, hosts := range [][]string{{""}, {"http://a"}, {"[::1]:80"}} {
		require.Error(t, app.Server{Addr: ":80", Hosts: hosts, MaxConnections: 2, MaxStreams: 1, PublishTimeout: 1}.Validate(), hosts)
	}
	for _, tt := range []struct {
		addr, probes string
		valid        bool
	}{
		{":80", "", true},
		{":80", ":81", true},
		{":80", ":80", false},
		{":80", "81", false},
		{":80", "127.0.0.1:80", false},
		{"0.0.0.0:80", "127.0.0.1:80", false},
		{"127.0.0.1:80", ":80", false},
		{"127.0.0.1:80", "[::]:80", false},
		{"10.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:0", "127.0.0.1:0", true},
		{":0", ":0", true},
	} {
		err := app.Server{Addr: tt.addr, ProbeAddr: tt.probes, MaxConnections: 2, MaxStreams: 1, PublishTimeout: 1}.Validate()
		require.Equal(t, tt.valid, err == nil, "%q %q: %v", tt.addr, tt.probes, err)
	}
	require.NoError(t, app.Server{Addr: ":80", Hosts: []string{"*", "a.example.com", "::1", "10.0.0.1"}, MaxConnections: 2, MaxStreams: 1, PublishTimeout: 1}.Validate())
}

// Connections and streams leave half of the file descriptors to workers.
func TestConnectionsLeaveFileDescriptors(t *testing.T) {
	t.Parallel()
	configured := app.Server{MaxConnections: 500, MaxStreams: 100}
	require.Equal(t, configured, app.Within(configured, 1200))
	rapid.Check(t, func(t *rapid.T) {
		configured := app.Server{MaxConnections: rapid.IntRange(2, 100_000).Draw(t, "connections")}
		configured.MaxStreams = rapid.IntRange(1, configured.MaxConnections-1).Draw(t, "streams")
		descriptors := rapid.IntRange(20, 1<<20).Draw(t, "descriptors")
		limited := app.Within(configured, descriptors)
		if limited.MaxConnections > configured.MaxConnections || limited.MaxStreams > configured.MaxStreams ||
			limited.MaxConnections+limited.MaxStreams > descriptors/2 || limited.MaxStreams < 1 || limited.MaxStreams >= limited.MaxConnections {
			t.Fatalf("%+v of %+v with %d", limited, configured, descriptors)
		}
	})
}
