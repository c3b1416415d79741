package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestSIGTERMFinishesInFlightDownloads(t *testing.T) {
	t.Parallel()
	srv, remote, data := iggytest.NewServer(t), startFileServer(t), t.TempDir()
	g := newGate(80)
	remote.setHold(g.hold)
	first := startProcess(t, data, environment(srv))
	id := first.submit(t, remote.manifest(200, 0))
	<-g.blocked
	require.Eventually(t, func() bool { return first.state(t, id).Completed >= 80 }, waitTimeout, 10*time.Millisecond)
	// The downloads in flight finish while the process stops.
	time.AfterFunc(200*time.Millisecond, func() { close(g.open) })
	require.NoError(t, first.signalAndWait(t, syscall.SIGTERM, 15*time.Second), "exit code 0")
	require.Less(t, len(remote.requestCounts()), 200, "the job was not finished")

	second := startProcess(t, data, environment(srv))
	state := second.waitFinished(t, id)
	require.Equal(t, store.Completed, state.Status)
	require.EqualValues(t, 200, state.Completed)
	second.requireFiles(t, id, 200)
	counts := remote.requestCounts()
	require.Len(t, counts, 200)
	for name, n := range counts {
		require.Equal(t, 1, n, "%s was downloaded again after a clean stop", name)
	}
	require.NoError(t, second.signalAndWait(t, syscall.SIGTERM, 15*time.Second))
}

// The stop does not wait for downloads beyond the drain timeout. The next start downloads them.
func TestSIGTERMDoesNotWaitForSlowDownloads(t *testing.T) {
	t.Parallel()
	srv, remote, data := iggytest.NewServer(t), startFileServer(t), t.TempDir()
	g := newGate(5)
	remote.setHold(g.hold)
	env := append(environment(srv), "FETCHBOX__CONSUMERS__TASKS__DRAIN_TIMEOUT=500ms")
	first := startProcess(t, data, env)
	id := first.submit(t, remote.manifest(20, 0))
	<-g.blocked
	require.NoError(t, first.signalAndWait(t, syscall.SIGTERM, 15*time.Second), "exit code 0")
	lines := strings.Split(strings.TrimSpace(first.out.String()), "\n")
	require.Regexp(t, `^Stopped\. [1-9]\d* unfinished messages will be redelivered\.$`, lines[len(lines)-1])
	close(g.open)
	second := startProcess(t, data, env)
	require.Equal(t, store.Completed, second.waitFinished(t, id).Status)
	second.requireFiles(t, id, 20)
	require.Empty(t, srv.Messages("fetchbox", "jobs.dlq"), "a stop does not fail a task")
}

func TestJobResumesAfterSIGKILL(t *testing.T) {
	t.Parallel()
	srv, remote, data := iggytest.NewServer(t), startFileServer(t), t.TempDir()
	g := newGate(60)
	remote.setHold(g.hold)
	first := startProcess(t, data, environment(srv))
	id := first.submit(t, remote.manifest(100, 2))
	<-g.blocked
	require.Error(t, first.signalAndWait(t, syscall.SIGKILL, waitTimeout))
	close(g.open)

	second := startProcess(t, data, environment(srv))
	state := second.waitFinished(t, id)
	require.Equal(t, store.Partial, state.Status)
	require.EqualValues(t, 100, state.Completed, "a redelivered task does not count twice")
	require.EqualValues(t, 2, state.Failed)
	second.requireFiles(t, id, 100)

	// The ledger keeps the state over a restart.
	require.NoError(t, second.signalAndWait(t, syscall.SIGTERM, 15*time.Second))
	third := startProcess(t, data, environment(srv))
	again := third.state(t, id)
	require.Equal(t, state, again)
}

// What a user reads in a terminal: the address stands last and alone, and a stop says what it waits for
// and ends with one line.
func TestStartAndStopInTerminal(t *testing.T) {
	t.Parallel()
	p := startProcess(t, t.TempDir(), environment(nil))
	started := strings.TrimSuffix(p.out.String(), "\n")
	require.Equal(t, p.url, started[strings.LastIndex(started, "\n")+1:])
	require.Contains(t, started, "ctrl-C stops it. The page for operators:\n"+p.url)
	require.NoError(t, p.signalAndWait(t, os.Interrupt, 15*time.Second))
	require.Equal(t, "Stopping: waiting up to 15s for requests and downloads in flight. ctrl-C again does not wait.\nStopped.\n",
		strings.TrimPrefix(p.out.String(), started+"\n"))
	require.Empty(t, p.stderr.String())
}

// In a terminal the log does not hide the address.
func TestDefaultLevel(t *testing.T) {
	t.Parallel()
	require.Equal(t, zapcore.WarnLevel, defaultLevel(true))
	require.Equal(t, zapcore.InfoLevel, defaultLevel(false))
}

// A collector that accepts spans and never responds delays neither jobs nor the stop.
func TestStopDoesNotWaitForTheCollector(t *testing.T) {
	t.Parallel()
	collector, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, collector.Close()) })
	remote := startFileServer(t)
	box := startProcess(t, t.TempDir(), append(environment(nil), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+collector.Addr().String()))
	require.Equal(t, store.Completed, box.waitFinished(t, box.submit(t, remote.manifest(3, 0))).Status)
	require.NoError(t, box.signalAndWait(t, syscall.SIGTERM, 8*time.Second), "exit code 0")
}

// The first signal ends a process whose configuration comes from standard input, and never ends.
func TestSIGTERMWhileTheConfigurationIsRead(t *testing.T) {
	t.Parallel()
	cmd := command(t, environment(nil), "-data", t.TempDir(), "-config", "/dev/stdin")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	// It is more than a pipe holds, so the process reads.
	_, err = io.WriteString(in, strings.Repeat("# comment\n", 20_000))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-done:
		require.NoError(t, err, stderr.String())
	case <-time.After(waitTimeout):
		require.FailNow(t, "the process did not end")
	}
}
