package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// While the machine can't store anything the service is not ready and keeps its tasks, each with
// one delivery allowed. Afterwards it completes the job.
func TestFaultsOfTheMachineFailNoTask(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mount     string // below the data directory
		unhealthy bool   // whether the readiness can be asked for: without descriptors nobody answers
		begin     func(t *testing.T, p *process)
		end       func(t *testing.T, p *process)
	}{
		"disk full": {
			mount: "", unhealthy: true,
			begin: func(t *testing.T, p *process) {
				filler, err := os.Create(p.inside("filler"))
				require.NoError(t, err)
				for err == nil {
					_, err = filler.Write(make([]byte, 4096))
				}
				require.ErrorIs(t, err, syscall.ENOSPC)
				require.NoError(t, filler.Close())
			},
			end: func(t *testing.T, p *process) { require.NoError(t, os.Remove(p.inside("filler"))) },
		},
		"another file system": {
			mount: "resources", unhealthy: true,
			begin: func(*testing.T, *process) {},
			end: func(t *testing.T, p *process) {
				out, err := exec.Command("nsenter", "-t", strconv.Itoa(p.cmd.Process.Pid), "-U", "-m", "--preserve-credentials",
					"umount", "-l", filepath.Join(p.data, "resources")).CombinedOutput()
				require.NoError(t, err, "%s", out)
			},
		},
		"no file descriptors": {
			begin: func(t *testing.T, p *process) { p.limitFiles(t, 10) },
			end:   func(t *testing.T, p *process) { p.limitFiles(t, 1000) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireNamespaces(t)
			srv, remote, data := iggytest.NewServer(t), startFileServer(t), t.TempDir()
			g := newGate(0)
			remote.setHold(g.hold)
			env := append(environment(srv), "FETCHBOX__CONSUMERS__TASKS__RETRY__MAX_DELIVERIES=1", "FETCHBOX__HEALTH__INTERVAL=100ms")
			p := launchWithMount(t, filepath.Join(data, tt.mount), data, env)
			p.waitStarted(t)
			id := p.submit(t, remote.manifest(20, 0))
			<-g.blocked
			tt.begin(t, p)
			close(g.open)
			if tt.unhealthy {
				require.Eventually(t, func() bool {
					code, _ := p.request(t, http.MethodGet, "/health/ready", http.NoBody)
					return code == http.StatusServiceUnavailable
				}, waitTimeout, 20*time.Millisecond)
			} else {
				time.Sleep(2 * time.Second) // for the tasks to fail
			}
			require.Empty(t, srv.Messages("fetchbox", "jobs.dlq"))
			tt.end(t, p)
			require.Equal(t, store.Completed, p.waitFinished(t, id).Status)
			require.Empty(t, srv.Messages("fetchbox", "jobs.dlq"))
			require.Eventually(t, func() bool {
				code, _ := p.request(t, http.MethodGet, "/health/ready", http.NoBody)
				return code == http.StatusOK
			}, waitTimeout, 20*time.Millisecond)
			require.NoError(t, p.signalAndWait(t, syscall.SIGTERM, 15*time.Second))
		})
	}
}

// inside is the path of a file of the process, in its own mount namespace.
func (p *process) inside(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", p.cmd.Process.Pid), p.data, name)
}

// limitFiles sets the limit of open files of the process.
func (p *process) limitFiles(t *testing.T, n int) {
	t.Helper()
	out, err := exec.Command("prlimit", "--pid", strconv.Itoa(p.cmd.Process.Pid), fmt.Sprintf("--nofile=%d:", n)).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// requireNamespaces skips the test where the machine does not let it mount anything.
func requireNamespaces(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"unshare", "nsenter", "prlimit"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("SKIPPED:", err)
		}
	}
	out, err := exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", t.TempDir()).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Skipf("SKIPPED: no mount namespaces: %s", out)
	}
	require.NoError(t, err)
}

// launchWithMount is launch with a small file system of its own at a directory.
func launchWithMount(t *testing.T, at, data string, env []string) *process {
	t.Helper()
	return launchAs(t, data, env, []string{
		"unshare", "-rm", "sh", "-c", `mkdir -p "$0" && mount -t tmpfs -o size=2m none "$0" && exec "$@"`, at,
	})
}
