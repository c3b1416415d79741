package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
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
			begin: func(t *testing.T, p *process) { p.fillDisk(t) },
			end:   func(t *testing.T, p *process) { p.emptyDisk(t) },
		},
		"another file system": {
			mount: "resources", unhealthy: true,
			begin: func(*testing.T, *process) {},
			end:   func(t *testing.T, p *process) { p.mount(t, "umount", "-l", filepath.Join(p.data, "resources")) },
		},
		"read-only file system": {
			mount: "", unhealthy: true,
			begin: func(t *testing.T, p *process) {
				p.mount(t, "mount", "-t", "tmpfs", "-o", "ro", "none", filepath.Join(p.data, "tmp"))
			},
			end: func(t *testing.T, p *process) { p.mount(t, "umount", "-l", filepath.Join(p.data, "tmp")) },
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
			p.requireComplete(t, id)
			tt.end(t, p)
			require.Equal(t, store.Completed, p.waitFinished(t, id).Status)
			require.Empty(t, srv.Messages("fetchbox", "jobs.dlq"))
			require.Eventually(t, func() bool {
				code, _ := p.request(t, http.MethodGet, "/health/ready", http.NoBody)
				return code == http.StatusOK
			}, waitTimeout, 20*time.Millisecond)
			p.requireComplete(t, id)
			require.NoError(t, p.signalAndWait(t, syscall.SIGTERM, 15*time.Second))
			// Each of the three consumers says it once.
			require.LessOrEqual(t, strings.Count(p.stderr.String(), "handler unavailable"), 3, "%s", p.stderr)
		})
	}
}

// requireComplete requires that no resource of a job is half written.
func (p *process) requireComplete(t *testing.T, id string) {
	t.Helper()
	dir := p.inside("resources/demo/" + id)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	require.NoError(t, err)
	for _, e := range entries {
		got, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		require.Equal(t, fileContent(e.Name()), got, e.Name())
	}
}

// mount runs a command in the namespaces of the process.
func (p *process) mount(t *testing.T, command ...string) {
	t.Helper()
	args := append([]string{"-t", strconv.Itoa(p.cmd.Process.Pid), "-U", "-m", "--preserve-credentials"}, command...)
	out, err := exec.Command("nsenter", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// The ledger keeps the states and log entries that it can't store, each with one delivery allowed, and
// says why it is not ready.
func TestLedgerWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	requireNamespaces(t)
	srv, data := iggytest.NewServer(t), t.TempDir()
	env := append(environment(srv), "FETCHBOX__CONSUMERS__STATUS__RETRY__MAX_DELIVERIES=1",
		"FETCHBOX__CONSUMERS__LOGS__RETRY__MAX_DELIVERIES=1", "FETCHBOX__HEALTH__INTERVAL=100ms")
	p := launchWithMount(t, data, data, env)
	p.waitStarted(t)
	p.fillDisk(t)

	pub := newPublisher(t, srv)
	_, err := pub.PublishJobStatus(t.Context(), &jobspb.JobStatus{
		JobId: "job-1", JobType: "demo", State: jobspb.JobState_JOB_STATE_COMPLETED, ResourcesTotal: 1, ResourcesCompleted: 1,
	})
	require.NoError(t, err)
	_, err = pub.PublishJobLog(t.Context(), &jobspb.JobLog{JobId: "job-1", Message: "stored"})
	require.NoError(t, err)
	for _, name := range []string{"consumer.status", "consumer.logs"} {
		require.Eventually(t, func() bool {
			_, report := p.request(t, http.MethodGet, "/operators/health", http.NoBody)
			component := report["components"].(map[string]any)[name].(map[string]any)
			cause, _ := component["last_error"].(string)
			return component["status"] == string(health.Down) && strings.Contains(cause, "handler is unavailable") &&
				strings.Contains(cause, "no space left on device")
		}, waitTimeout, 20*time.Millisecond, name)
	}
	code, _ := p.request(t, http.MethodGet, "/health/ready", http.NoBody)
	require.Equal(t, http.StatusServiceUnavailable, code)

	p.emptyDisk(t)
	require.Eventually(t, func() bool {
		code, _ := p.request(t, http.MethodGet, "/operators/jobs/job-1", http.NoBody)
		return code == http.StatusOK
	}, waitTimeout, 20*time.Millisecond, "the state is stored")
	require.Equal(t, store.Completed, p.state(t, "job-1").Status)
	require.Eventually(t, func() bool {
		entries, err := os.ReadFile(p.inside("logs/" + store.FileName("job-1") + ".jsonl"))
		return err == nil && strings.Contains(string(entries), "stored")
	}, waitTimeout, 20*time.Millisecond, "the log entry is stored")
	require.Eventually(t, func() bool {
		code, _ := p.request(t, http.MethodGet, "/health/ready", http.NoBody)
		return code == http.StatusOK
	}, waitTimeout, 20*time.Millisecond)
	require.NoError(t, p.signalAndWait(t, syscall.SIGTERM, 15*time.Second))
}

// newPublisher returns a publisher that is stopped with the test.
func newPublisher(t *testing.T, srv *iggytest.Server) *jobs.Publisher {
	t.Helper()
	cfg, err := config.Load(config.WithYAML("test.yaml", srv.YAML()), config.WithEnviron(nil))
	require.NoError(t, err)
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, p.Stop(context.Background())) })
	return jobs.NewPublisher(p, jobs.FromConfig(cfg.Topics))
}

// fillDisk fills the file system at the data directory.
func (p *process) fillDisk(t *testing.T) {
	t.Helper()
	filler, err := os.Create(p.inside("filler"))
	require.NoError(t, err)
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, filler.Close())
}

// emptyDisk ends fillDisk.
func (p *process) emptyDisk(t *testing.T) {
	t.Helper()
	require.NoError(t, os.Remove(p.inside("filler")))
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
