package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// process is the application in a child process.
type process struct {
	fetchbox
	cmd    *exec.Cmd
	out    *addressFinder
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
	p := launch(t, data, env)
	p.waitStarted(t)
	return p
}

// launch starts a process, which ends with the test at the latest.
func launch(t *testing.T, data string, env []string, args ...string) *process {
	t.Helper()
	return launchAs(t, data, env, nil, args...)
}

// launchAs is launch by another program, which gets the command as its last arguments.
func launchAs(t *testing.T, data string, env, by []string, args ...string) *process {
	t.Helper()
	p := &process{
		fetchbox: fetchbox{data: data}, out: &addressFinder{found: make(chan string, 1)}, stderr: new(bytes.Buffer), done: make(chan error, 1),
		cmd: command(t, env, append([]string{"-data", data, "-log", "warn"}, args...)...),
	}
	if len(by) > 0 {
		path, err := exec.LookPath(by[0])
		require.NoError(t, err)
		p.cmd.Path, p.cmd.Args = path, append(append([]string{}, by...), p.cmd.Args...)
	}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.stderr
	require.NoError(t, p.cmd.Start())
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		err := <-p.done
		if t.Failed() {
			t.Logf("the process ended with %v; its standard error:\n%s", err, p.stderr)
		}
	})
	return p
}

// waitStarted waits until the application serves its address.
func (p *process) waitStarted(t *testing.T) {
	t.Helper()
	select {
	case p.url = <-p.out.found:
	case err := <-p.done:
		p.done <- err
		assert.Fail(t, "the application did not start", "%v: %s", err, p.stderr)
	case <-time.After(waitTimeout):
		assert.Fail(t, "the application did not start in time")
	}
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
