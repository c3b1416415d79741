package main_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// build builds the program as release 1.2.3, with the flags of the linker in .goreleaser.yaml.
func build(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../.goreleaser.yaml")
	require.NoError(t, err)
	var release struct {
		Builds []struct{ Ldflags []string }
	}
	require.NoError(t, yaml.Unmarshal(text, &release))
	require.Len(t, release.Builds, 1)
	flags := strings.ReplaceAll(strings.Join(release.Builds[0].Ldflags, " "), "{{ .Version }}", "1.2.3")
	program := filepath.Join(t.TempDir(), "fetchbox-iggy-cli")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags", flags, "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// TestProcess tests what needs a process: signals, closed pipes and exit codes.
func TestProcess(t *testing.T) {
	t.Parallel()
	program := build(t)

	t.Run("a release prints its version", func(t *testing.T) {
		t.Parallel()
		out, err := exec.CommandContext(t.Context(), program, "--version").CombinedOutput()
		require.NoError(t, err, string(out))
		require.True(t, strings.HasPrefix(string(out), "fetchbox-iggy-cli version v1.2.3 ("), string(out))
	})

	t.Run("a signal stops the server in order", func(t *testing.T) {
		t.Parallel()
		for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
			cmd := exec.CommandContext(t.Context(), program, "serve", "--addr", "127.0.0.1:0", "--data", t.TempDir())
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, err := bufio.NewReader(stdout).ReadString('\n')
			require.NoError(t, err)
			endpoint := strings.Fields(line)[2]
			ping := exec.CommandContext(t.Context(), program, "ping", "--endpoint", strings.Replace(endpoint, "//", "//iggy:iggy@", 1))
			out, err := ping.CombinedOutput()
			require.NoError(t, err, string(out))
			require.NoError(t, cmd.Process.Signal(signal))
			require.NoError(t, cmd.Wait())
		}
	})

	t.Run("a killed server keeps what its flags say", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			flags []string
			left  int
		}{
			{nil, 0},
			{[]string{"--messages-required-to-save", "1", "--enforce-fsync"}, 3},
			{[]string{"--size-of-messages-required-to-save", "1"}, 3},
		} {
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), program, append([]string{"serve", "--addr", "127.0.0.1:0", "--data", dir}, c.flags...)...)
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, err := bufio.NewReader(stdout).ReadString('\n')
			require.NoError(t, err)
			endpoint := strings.Replace(strings.Fields(line)[2], "//", "//iggy:iggy@", 1)
			out, err := exec.CommandContext(t.Context(), program, "provision", "--yes", "--endpoint", endpoint).CombinedOutput()
			require.NoError(t, err, string(out))
			publish := exec.CommandContext(t.Context(), program, "publish-task", "--file", "-", "--endpoint", endpoint)
			publish.Stdin = strings.NewReader(strings.Repeat(`{"jobId": "j", "resourceId": "r", "url": "http://x/"}`, 3))
			out, err = publish.CombinedOutput()
			require.NoError(t, err, string(out))
			require.NoError(t, cmd.Process.Kill())
			require.Error(t, cmd.Wait())

			srv, err := embedded.Start(embedded.WithDirectory(dir))
			require.NoError(t, err)
			left := 0
			for partition := uint32(0); ; partition++ {
				messages, err := srv.Messages("fetchbox", "jobs.tasks", partition)
				if err != nil {
					break
				}
				left += len(messages)
			}
			require.NoError(t, srv.Stop(t.Context()))
			require.Equal(t, c.left, left, "%q", c.flags)
		}
	})

	t.Run("a closed pipe ends a tail quietly", func(t *testing.T) {
		t.Parallel()
		srv := iggytest.NewServer(t)
		srv.CreateTopic("fetchbox", "jobs.tasks", 1)
		endpoint := "iggy:iggy@" + srv.Address()
		publish := exec.CommandContext(t.Context(), program, "publish-task", "--file", "-", "--endpoint", endpoint)
		publish.Stdin = strings.NewReader(strings.Repeat(`{"jobId": "j", "resourceId": "r", "url": "http://x/"}`, 20_000))
		out, err := publish.CombinedOutput()
		require.NoError(t, err, string(out))
		tail := exec.CommandContext(t.Context(), program, "tail-tasks", "--endpoint", endpoint)
		var stderr strings.Builder
		tail.Stderr = &stderr
		stdout, err := tail.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, tail.Start())
		_, err = bufio.NewReader(stdout).ReadString('\n')
		require.NoError(t, err)
		require.NoError(t, stdout.Close())
		require.NoError(t, tail.Wait())
		require.Empty(t, stderr.String())
	})

	t.Run("ctrl-C ends at once what waits for input", func(t *testing.T) {
		t.Parallel()
		srv := iggytest.NewServer(t)
		cmd := exec.CommandContext(t.Context(), program, "publish-task", "--file", "-", "--endpoint", "iggy:iggy@"+srv.Address())
		_, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		srv.WaitFor("a connection", func() bool { return srv.Connections() > 0 })
		began := time.Now()
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		var exit *exec.ExitError
		require.ErrorAs(t, cmd.Wait(), &exit)
		require.Equal(t, 1, exit.ExitCode())
		require.Less(t, time.Since(began), 4*time.Second)
	})

	t.Run("wrong usage is exit code 2", func(t *testing.T) {
		t.Parallel()
		var exit *exec.ExitError
		require.ErrorAs(t, exec.CommandContext(t.Context(), program, "publish-task").Run(), &exit)
		require.Equal(t, 2, exit.ExitCode())
	})
}
