package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is the application in a child process.
type process struct {
	fetchbox
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	done   chan error
}

func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	// By default a program with the race detector sleeps a second before it exits.
	cmd.Env = append([]string{runMainEnv + "=1", "GORACE=atexit_sleep_ms=0", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	cmd.Dir = t.TempDir()
	return cmd
}

func startProcess(t *testing.T, data string, env []string) *process {
	t.Helper()
	p := &process{
		fetchbox: fetchbox{data: data}, stderr: new(bytes.Buffer), done: make(chan error, 1),
		cmd: command(t, env, "-data", data, "-log", "warn"),
	}
	out := &addressFinder{found: make(chan string, 1)}
	p.cmd.Stdout, p.cmd.Stderr = out, p.stderr
	require.NoError(t, p.cmd.Start())
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		err := <-p.done
		if t.Failed() {
			t.Logf("the process ended with %v; its standard error:\n%s", err, p.stderr)
		}
	})
	select {
	case p.url = <-out.found:
	case err := <-p.done:
		p.done <- err
		require.FailNow(t, "the application did not start", "%v: %s", err, p.stderr)
	case <-time.After(waitTimeout):
		require.FailNow(t, "the application did not start in time")
	}
	return p
}

// signalAndWait sends a signal and waits until the process ends.
func (p *process) signalAndWait(t *testing.T, signal os.Signal, limit time.Duration) error {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(signal))
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(limit):
		require.FailNow(t, "the process did not end in time")
		return nil
	}
}
