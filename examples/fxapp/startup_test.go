package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// Each error ends the program with exit code 1 and one line.
func TestStartupErrors(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	unused := listener.Addr().String()
	require.NoError(t, listener.Close())
	used, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, used.Close()) })
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("iggy:\n  endpont: x\n"), 0o600))
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, exec.Command("mkfifo", pipe).Run())

	const secret = "s3cr3t-pa55"
	base := []string{"FETCHBOX__IGGY__ENDPOINT=iggy://" + srv.Address(), "FETCHBOX__IGGY__CLIENT_ID=iggy", "FETCHBOX__SERVER__ADDR=127.0.0.1:0"}
	with := func(env ...string) []string { return append(append([]string{}, base...), env...) }
	for _, tt := range []struct {
		name string
		env  []string
		args []string
		want []string
	}{
		{"an unknown key", with("FETCHBOX__IGGY__CLIENT_SECRET="+secret, "FETCHBOX_CONFIG="+bad), nil, []string{"bad.yaml:2", "iggy.endpont"}},
		{"an unknown variable", with("FETCHBOX__IGGY__CLIENT_SECRET="+secret, "FETCHBOX__IGGY__ENDPONT=x"), nil, []string{"FETCHBOX__IGGY__ENDPONT"}},
		{"no such file", with("FETCHBOX__IGGY__CLIENT_SECRET=" + secret), []string{"-config", "/no/such.yaml"}, []string{"/no/such.yaml"}},
		{"a bad endpoint", []string{"FETCHBOX__IGGY__ENDPOINT=http://x", "FETCHBOX__IGGY__CLIENT_ID=a", "FETCHBOX__IGGY__CLIENT_SECRET=" + secret}, nil, []string{"iggy.endpoint"}},
		{"a missing secret", with(), nil, []string{"client_secret"}},
		{"a secret file that can't be read", with("FETCHBOX__IGGY__CLIENT_SECRET_FILE=/no/such/secret"), nil, []string{"client_secret_file", "/no/such/secret"}},
		{"a wrong password", with("FETCHBOX__IGGY__CLIENT_SECRET=" + secret), nil, []string{"credentials"}},
		{
			"no server",
			[]string{"FETCHBOX__IGGY__ENDPOINT=iggy://" + unused, "FETCHBOX__IGGY__CLIENT_ID=iggy", "FETCHBOX__IGGY__CLIENT_SECRET=" + secret, "FETCHBOX__IGGY__START_TIMEOUT=300ms"},
			nil,
			[]string{unused},
		},
		{"an address in use", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__SERVER__ADDR="+used.Addr().String()), nil, []string{"server.addr", "FETCHBOX__SERVER__ADDR", used.Addr().String()}},
		{"an address of probes in use", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__SERVER__PROBE_ADDR="+used.Addr().String()), nil, []string{"server.probe_addr", "FETCHBOX__SERVER__PROBE_ADDR", used.Addr().String()}},
		{"one address for probes and the API", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__SERVER__ADDR=:1", "FETCHBOX__SERVER__PROBE_ADDR=:1"), nil, []string{"server.probe_addr", "another address"}},
		{"a pipe as configuration file", nil, []string{"-config", pipe}, []string{pipe, "is a pipe, not a regular file"}},
		{"a file that can't be read", []string{}, []string{"-config", dir}, []string{dir, "is a directory"}},
		{"a bad host", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__SERVER__HOSTS=a.example.com:80"), nil, []string{"server.hosts"}},
		{"more streams than connections", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__SERVER__MAX_STREAMS=500"), nil, []string{"server.max_streams"}},
		{"no connections", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__SERVER__MAX_CONNECTIONS=0"), nil, []string{"server.max_connections: must be 1 to 100000"}},
		{"a bad address", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__SERVER__ADDR=nowhere"), nil, []string{"server.addr"}},
		{"a bad limit", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__DOWNLOAD__TIMEOUT=0s"), nil, []string{"download.timeout"}},
		{"a limit above the largest one", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__DOWNLOAD__MAX_BYTES=9223372036854775807"), nil, []string{"download.max_bytes", "1TiB"}},
		{"a timeout without end", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__SERVER__PUBLISH_TIMEOUT=2000000h"), nil, []string{"server.publish_timeout", "5m"}},
		{"tasks that are acknowledged before they are done", with("FETCHBOX__IGGY__CLIENT_SECRET=iggy", "FETCHBOX__CONSUMERS__TASKS__ACK_MODE=on_poll"), nil, []string{"consumers.tasks.ack_mode", "must be auto"}},
		{"no data directory", nil, []string{"-data", ""}, []string{"-data", "must be named"}},
		{"a bad role", nil, []string{"-role", "unknown"}, []string{"-role", "unknown"}},
		{"a role without a server", []string{"FETCHBOX__IGGY__CLIENT_ID=a", "FETCHBOX__IGGY__CLIENT_SECRET=" + secret}, []string{"-role", "worker"}, []string{"iggy.endpoint", "worker"}},
		{"a data directory that is a file", nil, []string{"-data", file}, []string{"-data", file}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, tt.env, append([]string{"-log", "error"}, tt.args...)...)
			var out, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &stderr
			require.Error(t, cmd.Run())
			require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s", stderr.String())
			message := strings.TrimSpace(stderr.String())
			require.Len(t, strings.Split(message, "\n"), 1, "one error: %s", message)
			require.True(t, strings.HasPrefix(message, "fxapp: "), message)
			for _, part := range tt.want {
				require.Contains(t, message, part)
			}
			require.NotContains(t, out.String()+message, secret)
		})
	}
}

// The data directory of an embedded server belongs to one process. Another one ends with one line.
func TestSecondEmbeddedServerIsRefused(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	startProcess(t, data, environment(nil))
	cmd := command(t, environment(nil), "-log", "error", "-data", data)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	require.Error(t, cmd.Run())
	message := strings.TrimSpace(stderr.String())
	require.Len(t, strings.Split(message, "\n"), 1, message)
	require.Contains(t, message, data)
	require.Empty(t, out.String())
}
