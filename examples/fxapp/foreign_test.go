package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// newProducer returns a producer of another program.
func newProducer(t *testing.T, srv *iggytest.Server) *producer.Producer {
	t.Helper()
	cfg, err := config.Load(config.WithYAML("test.yaml", srv.YAML()), config.WithEnviron(nil))
	require.NoError(t, err)
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, p.Stop(context.Background())) })
	return p
}

// Statuses with times in other units, and other messages that can't be true, stop no other job.
func TestForeignStatusesStopNoJob(t *testing.T) {
	t.Parallel()
	srv, remote := iggytest.NewServer(t), startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(srv)})
	p := newProducer(t, srv)
	status := producer.For(p, jobs.Status) // validates nothing, as producers in other languages
	for i := range 34 {
		_, err := status.Publish(t.Context(), &jobspb.JobStatus{
			JobId: "foreign", JobType: "demo", State: jobspb.JobState_JOB_STATE_COMPLETED, ResourcesTotal: 1, ResourcesCompleted: 1,
			TimestampMs: uint64(time.Now().UnixNano()) + uint64(i),
		}, producer.WithPartition(uint32(i%4)))
		require.NoError(t, err)
		_, err = status.Publish(t.Context(), &jobspb.JobStatus{JobId: "foreign", ResourcesTotal: 1, ResourcesFailed: 1 << 31}, producer.WithPartition(uint32(i%4)))
		require.NoError(t, err)
	}
	require.Equal(t, store.Completed, box.waitFinished(t, box.submit(t, remote.manifest(3, 0))).Status)
	require.Equal(t, store.Completed, box.waitFinished(t, "foreign").Status)
	require.WithinDuration(t, time.Now(), box.state(t, "foreign").At, time.Hour)
}

// A manifest that is accepted can be read back. One that is nested too deep is refused.
func TestDeepManifestsAreRefused(t *testing.T) {
	t.Parallel()
	remote := startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	nested := func(depth int) []byte {
		deep := strings.Repeat("[", depth-2) + strings.Repeat("]", depth-2)
		return bytes.Replace(remote.manifest(40, 0), []byte(`"metadata":{}`), []byte(`"metadata":{"a":`+deep+`}`), 1)
	}
	for _, depth := range []int{101, 9_999, 10_000, 10_001} {
		code, answer := box.request(t, http.MethodPost, "/jobs", bytes.NewReader(nested(depth)))
		require.Equal(t, http.StatusBadRequest, code, "%d: %v", depth, answer)
	}
	require.Equal(t, store.Completed, box.waitFinished(t, box.submit(t, nested(100))).Status)
}

// The files of one job that are damaged stop neither that job nor others.
func TestDamagedFilesStopNoJob(t *testing.T) {
	t.Parallel()
	srv, remote, data := iggytest.NewServer(t), startFileServer(t), t.TempDir()
	g := newGate(5)
	remote.setHold(g.hold)
	first := startProcess(t, data, environment(srv))
	id := first.submit(t, remote.manifest(40, 1))
	<-g.blocked
	require.NoError(t, first.cmd.Process.Kill())
	err := <-first.done
	first.done <- err
	close(g.open)

	require.NoError(t, os.WriteFile(filepath.Join(data, "manifests", "demo", id+".json"), []byte(`{"job_id":`), 0o640))
	held := filepath.Join(data, "resources", "demo", id, "f39")
	for i := 38; ; i-- { // one that is not downloaded
		if _, err := os.Lstat(held); err != nil {
			break
		}
		held = filepath.Join(filepath.Dir(held), fmt.Sprintf("f%d", i))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(held, "x"), 0o750))
	second := startProcess(t, data, environment(srv))
	require.Equal(t, store.Completed, second.waitFinished(t, second.submit(t, remote.manifest(3, 0))).Status)
	state := second.waitFinished(t, id)
	require.Equal(t, store.Partial, state.Status)
	require.EqualValues(t, 40, state.Completed)
	second.requireFiles(t, id, 40)
	var letter jobspb.DeadLetterTask
	letters := srv.Messages("fetchbox", "jobs.dlq")
	require.Len(t, letters, 1)
	require.NoError(t, proto.Unmarshal(letters[0].Payload, &letter))
	require.Equal(t, "missing0", letter.GetTask().GetResourceId())
}
