package iggytest_test

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// The official Python client; the Rust SDK is inside. newerPythonPackage speaks another protocol.
const (
	pythonPackage      = "apache-iggy==0.8.0"
	newerPythonPackage = "apache-iggy==0.9.0"
)

// TestPythonClient runs the official Python client against the embedded server, and against a real
// one when IGGY_TEST_ENDPOINT names it. Both must give what was recorded with the real one.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	python := python(t, pythonPackage)
	want, err := os.ReadFile("testdata/client.json")
	require.NoError(t, err)

	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		srv := iggytest.NewServer(t)
		endpoint := "iggy://iggy:iggy@" + srv.Address()
		require.JSONEq(t, string(want), runPython(t, python, endpoint, stream))
		// The state of the server.
		require.Len(t, srv.Messages(stream, "orders"), 13)
		require.Len(t, srv.Messages(stream, "shared"), 60)
		offset, ok := srv.Committed(stream, "orders", "packers", 0)
		require.True(t, ok)
		require.EqualValues(t, 9, offset)
		_, ok = srv.Committed(stream, "orders", "packers", 1)
		require.False(t, ok)
		// Members leave when their connections end.
		srv.WaitFor("the members to go", func() bool {
			return srv.Members(stream, "orders", "packers") == 0 && srv.Members(stream, "shared", "sharers") == 0
		})
	})
	t.Run("embedded with TLS", func(t *testing.T) {
		t.Parallel()
		config, ca, err := embedded.SelfSigned()
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "ca.pem")
		require.NoError(t, os.WriteFile(file, ca, 0o600))
		endpoint := "iggy://iggy:iggy@" + start(t, embedded.WithTLS(config)).Address() +
			"?tls=true&tls_domain=localhost&tls_ca_file=" + file
		require.JSONEq(t, string(want), runPython(t, python, endpoint, stream))
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		endpoint := os.Getenv("IGGY_TEST_ENDPOINT")
		if endpoint == "" {
			t.Skip("IGGY_TEST_ENDPOINT (iggy://user:password@host:port) names no real server")
		}
		u, err := url.Parse(endpoint)
		require.NoError(t, err)
		own := "python-" + time.Now().Format("150405.000000")
		t.Cleanup(func() {
			_, _, _ = dial(t, u.Host).login(t).call(embedded.DeleteStream, append([]byte{2}, name(own)...))
		})
		require.JSONEq(t, string(want), runPython(t, python, endpoint, own))
	})
}

func runPython(t *testing.T, python, endpoint, stream string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "testdata/client.py", endpoint, stream)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return string(out)
}

// A client of Iggy 0.9 gets the end of its connection, and the server's log says why.
func TestPythonClientOfAnotherProtocolIsNamed(t *testing.T) {
	t.Parallel()
	python := python(t, newerPythonPackage)
	core, logs := observer.New(zap.WarnLevel)
	srv := iggytest.NewServer(t, embedded.WithLogger(zap.New(core)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// The client connects again and again, so it is ended once it is named.
	cmd := exec.CommandContext(ctx, python, "-c", `
import asyncio, sys
from apache_iggy import IggyClient
async def main():
    client = IggyClient(sys.argv[1])
    await client.connect()
    await client.login_user("iggy", "iggy")
asyncio.run(main())`, srv.Address())
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	named := func() bool {
		return logs.FilterMessageSnippet("client speaks the protocol of Iggy 0.9 or later").Len() > 0
	}
	require.Eventually(t, named, time.Minute, 10*time.Millisecond)
	_ = cmd.Process.Kill()
	<-exited
}

// python returns the interpreter of a virtual environment with the package, which is created once
// for each user. Without Python or access to the package it skips the test, or fails it when
// IGGY_TEST_PYTHON is "required".
func python(t *testing.T, pkg string) string {
	t.Helper()
	unavailable := t.Skipf
	if os.Getenv("IGGY_TEST_PYTHON") == "required" {
		unavailable = t.Fatalf
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	venv := filepath.Join(cache, "fetchbox-iggy", pkg)
	interpreter := filepath.Join(venv, "bin", "python")
	imports := func(python string) error {
		return exec.CommandContext(t.Context(), python, "-c", "import apache_iggy").Run()
	}
	if imports(interpreter) == nil {
		return interpreter
	}
	system, err := exec.LookPath("python3")
	if err != nil {
		unavailable("the Python client is not tested: %v", err)
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(venv), 0o755))
	fresh, err := os.MkdirTemp(filepath.Dir(venv), "new-")
	require.NoError(t, err)
	defer func() { _ = os.RemoveAll(fresh) }()
	for _, args := range [][]string{
		{system, "-m", "venv", fresh},
		{filepath.Join(fresh, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pkg},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
		cancel()
		if err != nil {
			unavailable("the Python client is not tested: %v: %v\n%s", args, err, out)
		}
	}
	// Another process may have created it first. Both are usable.
	if os.Rename(fresh, venv) != nil && imports(interpreter) != nil {
		require.NoError(t, os.RemoveAll(venv))
		require.NoError(t, os.Rename(fresh, venv))
	}
	return interpreter
}
