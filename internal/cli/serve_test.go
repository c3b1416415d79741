package cli_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
)

func TestServeUntilInterrupt(t *testing.T) {
	t.Parallel()
	p := begin(t, nil, "serve", "--addr", "127.0.0.1:0", "--username", "someone", "--password", "secret", "-o", "json")
	var announced struct{ Endpoint string }
	require.NoError(t, json.Unmarshal([]byte(p.line()), &announced))
	address := strings.TrimPrefix(announced.Endpoint, "iggy://")
	conn, err := native.Dialer{}.Dial(t.Context(), address, nil)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.ErrorIs(t, conn.Login(t.Context(), transport.Credentials{Username: "iggy", Password: "iggy"}), iggyerr.ErrCredentials)
	require.NoError(t, conn.Login(t.Context(), transport.Credentials{Username: "someone", Password: "secret"}))

	run(t, "serve", "--addr", address).fails(t, 1, "--addr: listen on "+address)
	p.interrupt()
	require.Empty(t, p.end().ok(t))
	<-conn.Done()
	_, err = net.Dial("tcp", address)
	require.Error(t, err)
}

func TestServeTLS(t *testing.T) {
	t.Parallel()
	config, ca, err := embedded.SelfSigned()
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, ca, 0o600))
	der, err := x509.MarshalPKCS8PrivateKey(config.Certificates[0].PrivateKey)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))

	p := begin(t, nil, "serve", "--addr", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	line := p.line()
	require.Contains(t, line, "not for production")
	address := strings.TrimPrefix(strings.Fields(line)[2], "iggy://")
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca))
	conn, err := native.Dialer{}.Dial(t.Context(), address, &tls.Config{RootCAs: pool})
	require.NoError(t, err)
	require.NoError(t, conn.Ping(t.Context()))
	require.NoError(t, conn.Close())
	p.interrupt()
	p.end().ok(t)
}

func TestServeWarnsOfOpenAddress(t *testing.T) {
	t.Parallel()
	const reachable, known = "warning: other machines can reach the server", "which everybody knows"
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--addr", "0.0.0.0:0"}, []string{reachable, known}},
		{[]string{"--addr", ":0"}, []string{reachable, known}},
		{[]string{"--addr", "0.0.0.0:0", "--password", "secret"}, []string{reachable}},
		{[]string{"--addr", "127.0.0.1:0"}, nil},
		{[]string{"--addr", "localhost:0"}, nil},
	} {
		p := begin(t, nil, append([]string{"serve"}, c.args...)...)
		p.line()
		p.interrupt()
		r := p.end()
		r.ok(t)
		for _, text := range []string{reachable, known} {
			require.Equal(t, slices.Contains(c.want, text), strings.Contains(r.err, text), "%v: %s", c.args, r.err)
		}
		require.LessOrEqual(t, strings.Count(r.err, "\n"), 1, "%s", r.err)
	}
}

func TestServeRejectsBadFlags(t *testing.T) {
	t.Parallel()
	for why, args := range map[string][]string{
		"host:port":              {"--addr", "somewhere"},
		"belong together":        {"--tls-cert", "cert.pem"},
		"--password must have":   {"--password", "x"},
		"--retention":            {"--retention", "much"},
		"--messages-required-to": {"--messages-required-to-save", "0"},
		"--size-of-messages-req": {"--size-of-messages-required-to-save", "much"},
		"--save-interval must":   {"--save-interval", "-1s"},
		"takes no argument":      {"argument"},
		"unknown flag: --nope":   {"--nope"},
		"--output must be":       {"--output", "xml"},
		"invalid argument":       {"--verbose=perhaps"},
		"needs an argument: --a": {"--addr"},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			run(t, append([]string{"serve"}, args...)...).fails(t, 2, why)
		})
	}
	run(t, "serve", "--tls-cert", "/nonexistent/cert.pem", "--tls-key", "/nonexistent/key.pem").fails(t, 1, "no such file")
	require.Contains(t, run(t, "serve", "--help").ok(t), "not for production")
}

func TestServeWarnsWhenOtherMachinesReachIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"--addr", "127.0.0.1:0"}, nil},
		{[]string{"--addr", "localhost:0"}, nil},
		{[]string{"--addr", "0.0.0.0:0"}, []string{"--addr 0.0.0.0:0 is not a loopback address", "are the defaults"}},
		{[]string{"--addr", ":0"}, []string{"--addr :0 is not a loopback address", "are the defaults"}},
		{[]string{"--addr", "0.0.0.0:0", "--username", "someone", "--password", "secret"}, []string{"is not a loopback address"}},
	} {
		p := begin(t, nil, append([]string{"serve"}, tt.args...)...)
		require.Contains(t, p.line(), "listening on")
		p.interrupt()
		ended := p.end()
		ended.ok(t)
		if tt.want == nil {
			require.Empty(t, ended.err)
		}
		for _, want := range tt.want {
			require.Contains(t, ended.err, want)
		}
		require.Equal(t, len(tt.want) == 2, strings.Contains(ended.err, "defaults"))
	}
}
