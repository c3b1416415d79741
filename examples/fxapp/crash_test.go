package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// TestAcceptedJobsSurviveKill kills the process, and with it the embedded server, right after jobs
// were accepted and while their resources are downloaded.
func TestAcceptedJobsSurviveKill(t *testing.T) {
	t.Parallel()
	remote, data := startFileServer(t), t.TempDir()
	g := newGate(20)
	remote.setHold(g.hold)
	first := startProcess(t, data, environment(nil))
	require.Contains(t, first.out.String(), "which writes each message to the disk in "+data)
	var jobs []string
	for range 8 {
		jobs = append(jobs, first.submit(t, remote.manifest(30, 1)))
	}
	<-g.blocked
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, <-first.done)
	first.done <- nil
	close(g.open)

	second := startProcess(t, data, environment(nil))
	for _, id := range jobs {
		state := second.waitFinished(t, id)
		require.Equal(t, store.Partial, state.Status)
		require.EqualValues(t, 30, state.Completed)
		require.EqualValues(t, 1, state.Failed)
		second.requireFiles(t, id, 30)
	}
	require.NoError(t, second.signalAndWait(t, syscall.SIGTERM, 15*time.Second))
}
