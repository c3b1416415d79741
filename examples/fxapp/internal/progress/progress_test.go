package progress_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

var job = store.Job{Type: "images", ID: "job-1"}

// fakeTopic keeps the statuses in the order of their confirmation.
type fakeTopic struct {
	mu       sync.Mutex
	statuses []*jobspb.JobStatus
	err      error
}

func (l *fakeTopic) publish(_ context.Context, status *jobspb.JobStatus) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.statuses = append(l.statuses, proto.CloneOf(status))
	return nil
}

func (l *fakeTopic) last(t *testing.T) *jobspb.JobStatus {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.NotEmpty(t, l.statuses)
	return l.statuses[len(l.statuses)-1]
}

func open(t *testing.T, resources uint32) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	if resources > 0 {
		require.NoError(t, s.PutManifest(store.Manifest{JobID: job.ID, JobType: job.Type, Resources: resources, Tenant: "acme", Submitted: []byte("{}")}))
	}
	return s
}

func fetch(t testing.TB, s *store.Store, id string) {
	t.Helper()
	r, err := s.CreateResource(job, id)
	require.NoError(t, err)
	require.NoError(t, r.Commit())
}

func giveUp(t testing.TB, s *store.Store, id string) {
	t.Helper()
	require.NoError(t, s.PutFailure(job, id, store.Failure{Code: "DOWNLOAD_HTTP_4XX", Message: id + ": 404"}))
}

func TestReportPublishesState(t *testing.T) {
	t.Parallel()
	s, l := open(t, 3), &fakeTopic{}
	r := progress.New(s, l.publish)
	report := func(state jobspb.JobState, completed, failed uint32) {
		t.Helper()
		require.NoError(t, r.Report(t.Context(), job))
		got := l.last(t)
		require.Equal(t, state, got.GetState())
		require.EqualValues(t, 3, got.GetResourcesTotal())
		require.Equal(t, [2]uint32{completed, failed}, [2]uint32{got.GetResourcesCompleted(), got.GetResourcesFailed()})
	}
	require.NoError(t, r.ReportStart(t.Context(), job))
	report(jobspb.JobState_JOB_STATE_IN_PROGRESS, 0, 0)
	fetch(t, s, "a")
	require.NoError(t, r.ReportStart(t.Context(), job))
	require.Len(t, l.statuses, 1, "only the first start is reported")
	report(jobspb.JobState_JOB_STATE_IN_PROGRESS, 1, 0)
	fetch(t, s, "a")
	report(jobspb.JobState_JOB_STATE_IN_PROGRESS, 1, 0)
	require.Len(t, l.statuses, 2, "a task that is processed twice changes nothing")
	giveUp(t, s, "b")
	report(jobspb.JobState_JOB_STATE_IN_PROGRESS, 1, 1)
	require.Equal(t, "DOWNLOAD_HTTP_4XX", l.last(t).GetLastErrorCode())
	require.Equal(t, "b: 404", l.last(t).GetLastErrorMessage())
	fetch(t, s, "c")
	report(jobspb.JobState_JOB_STATE_PARTIAL, 2, 1)
	fetch(t, s, "b")
	report(jobspb.JobState_JOB_STATE_COMPLETED, 3, 0)
	require.Empty(t, l.last(t).GetLastErrorCode())
	require.Equal(t, "manifests/images/job-1.json", l.last(t).GetManifestKey())
	require.Equal(t, "acme", l.last(t).GetTenant())
}

func TestJobWithoutCompletedResourceFails(t *testing.T) {
	t.Parallel()
	s, l := open(t, 1), &fakeTopic{}
	giveUp(t, s, "a")
	require.NoError(t, progress.New(s, l.publish).Report(t.Context(), job))
	require.Equal(t, jobspb.JobState_JOB_STATE_FAILED, l.last(t).GetState())
}

func TestJobWithoutManifestStaysInProgress(t *testing.T) {
	t.Parallel()
	s, l := open(t, 0), &fakeTopic{}
	fetch(t, s, "a")
	require.NoError(t, progress.New(s, l.publish).Report(t.Context(), job))
	require.True(t, proto.Equal(&jobspb.JobStatus{
		JobId: job.ID, JobType: job.Type, State: jobspb.JobState_JOB_STATE_IN_PROGRESS, ResourcesCompleted: 1,
	}, l.last(t)), "%v", l.last(t))
}

// A job without a manifest, or with a damaged one, has the number of resources of its last state.
func TestJobWithoutManifestHasTheSizeOfItsState(t *testing.T) {
	t.Parallel()
	s, l := open(t, 0), &fakeTopic{}
	require.NoError(t, s.PutState(store.State{JobID: job.ID, JobType: "another", Status: store.Queued, Total: 1}))
	fetch(t, s, "a")
	r := progress.New(s, l.publish)
	require.NoError(t, r.Report(t.Context(), job))
	require.Equal(t, jobspb.JobState_JOB_STATE_IN_PROGRESS, l.last(t).GetState(), "the state of another job")
	require.NoError(t, s.PutState(store.State{JobID: job.ID, JobType: job.Type, Status: store.InProgress, Total: 2, Completed: 1}))
	require.NoError(t, r.Report(t.Context(), job))
	require.EqualValues(t, 2, l.last(t).GetResourcesTotal())
	fetch(t, s, "b")
	require.NoError(t, r.Report(t.Context(), job))
	require.Equal(t, jobspb.JobState_JOB_STATE_COMPLETED, l.last(t).GetState())
}

func TestCanceledJobFails(t *testing.T) {
	t.Parallel()
	s, l := open(t, 2), &fakeTopic{}
	fetch(t, s, "a")
	require.NoError(t, s.Cancel(job))
	require.NoError(t, progress.New(s, l.publish).Report(t.Context(), job))
	require.Equal(t, jobspb.JobState_JOB_STATE_FAILED, l.last(t).GetState())
	require.Equal(t, progress.CodeNotConfirmed, l.last(t).GetLastErrorCode())
}

func TestUnconfirmedStatusIsPublishedAgain(t *testing.T) {
	t.Parallel()
	s, l := open(t, 1), &fakeTopic{err: errors.New("no server")}
	r := progress.New(s, l.publish)
	fetch(t, s, "a")
	require.ErrorIs(t, r.Report(t.Context(), job), l.err)
	l.err = nil
	require.NoError(t, r.Report(t.Context(), job))
	require.Equal(t, jobspb.JobState_JOB_STATE_COMPLETED, l.last(t).GetState())
}

func TestWaitingReportReturnsWhenContextEnds(t *testing.T) {
	t.Parallel()
	s := open(t, 1)
	entered, release := make(chan struct{}), make(chan struct{})
	r := progress.New(s, func(context.Context, *jobspb.JobStatus) error {
		close(entered)
		<-release
		return nil
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Report(t.Context(), job); err != nil {
			t.Error(err)
		}
	})
	<-entered
	stopping := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopping)
	require.ErrorIs(t, r.Report(ctx, job), stopping)
	close(release)
	wg.Wait()
}

// A slow worker's status is confirmed after another worker has finished and reported the job. It
// must not stay the last status.
func TestSlowStatusIsFollowedByCurrentOne(t *testing.T) {
	t.Parallel()
	s, l := open(t, 2), &fakeTopic{}
	counted, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := progress.New(s, func(ctx context.Context, status *jobspb.JobStatus) error {
		once.Do(func() {
			close(counted)
			<-release
		})
		return l.publish(ctx, status)
	})
	fetch(t, s, "a")
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := slow.Report(t.Context(), job); err != nil {
			t.Error(err)
		}
	})
	<-counted
	fetch(t, s, "b")
	require.NoError(t, progress.New(s, l.publish).Report(t.Context(), job))
	require.Equal(t, jobspb.JobState_JOB_STATE_COMPLETED, l.last(t).GetState())
	close(release)
	wg.Wait()
	require.Len(t, l.statuses, 3)
	require.Equal(t, jobspb.JobState_JOB_STATE_IN_PROGRESS, l.statuses[1].GetState(), "the slow worker's status")
	require.Equal(t, jobspb.JobState_JOB_STATE_COMPLETED, l.last(t).GetState())
}

// Two processes process the tasks of one job, each task twice.
func TestReportsOfTwoProcesses(t *testing.T) {
	t.Parallel()
	const resources = 60
	s, l := open(t, resources), &fakeTopic{}
	var wg sync.WaitGroup
	for range 2 {
		r := progress.New(s, l.publish)
		tasks := make(chan int)
		wg.Go(func() {
			defer close(tasks)
			for _, i := range rand.Perm(resources) {
				tasks <- i
			}
		})
		for range 4 {
			wg.Go(func() {
				for i := range tasks {
					if id := fmt.Sprint(i); i%5 == 0 {
						giveUp(t, s, id)
					} else {
						fetch(t, s, id)
					}
					if err := r.Report(t.Context(), job); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	require.Equal(t, jobspb.JobState_JOB_STATE_PARTIAL, l.last(t).GetState())
	require.Equal(t, [2]uint32{48, 12}, [2]uint32{l.last(t).GetResourcesCompleted(), l.last(t).GetResourcesFailed()})
}
