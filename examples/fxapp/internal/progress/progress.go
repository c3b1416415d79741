package progress

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// CodeNotConfirmed is the error code of a canceled job: not all of its tasks were confirmed.
const CodeNotConfirmed = "SYSTEM_NOT_CONFIRMED"

// CountError says that the store can't be read, so that nothing was published.
type CountError struct {
	JobID string
	Err   error
}

// Error returns the job and the cause.
func (e *CountError) Error() string {
	return fmt.Sprintf("count resources of job %s: %v", e.JobID, e.Err)
}

// Unwrap returns the error of the store.
func (e *CountError) Unwrap() error { return e.Err }

// Publish publishes a status and returns when it is confirmed.
type Publish func(ctx context.Context, status *jobspb.JobStatus) error

// Reporter publishes the statuses of jobs. It is safe for concurrent use.
type Reporter struct {
	store   *store.Store
	publish Publish

	mu   sync.Mutex
	jobs map[store.Job]*jobEntry
}

// jobEntry is what a Reporter keeps of a job.
type jobEntry struct {
	users int
	sem   chan struct{} // held while counting and publishing; guards the fields below

	manifest *store.Manifest
	last     *jobspb.JobStatus // the last confirmed status
}

// maxIdleJobs bounds the jobs that a Reporter keeps while nobody reports them. A job that it has
// dropped gets one redundant status with its next report.
const maxIdleJobs = 1000

// New returns a Reporter that counts in s and publishes with publish.
func New(s *store.Store, publish Publish) *Reporter {
	return &Reporter{store: s, publish: publish, jobs: map[store.Job]*jobEntry{}}
}

// ReportStart publishes the status of a job if this Reporter has not published one yet. Its errors
// are those of Report.
func (r *Reporter) ReportStart(ctx context.Context, job store.Job) error {
	return r.report(ctx, job, func(e *jobEntry) bool { return e.last != nil })
}

// Report publishes the status of a job if it has changed. When Report returns nil, a status is
// confirmed that counts everything stored before the call. Concurrent reports of one job wait for
// each other, so that they publish few statuses. The error is a *CountError when the store can't be
// read.
func (r *Reporter) Report(ctx context.Context, job store.Job) error {
	return r.report(ctx, job, func(*jobEntry) bool { return false })
}

// report publishes the status of a job until it is current, unless skip returns true.
func (r *Reporter) report(ctx context.Context, job store.Job, skip func(*jobEntry) bool) error {
	e := r.acquire(job)
	defer r.release(job, e)
	select {
	case e.sem <- struct{}{}:
		defer func() { <-e.sem }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if skip(e) {
		return nil
	}
	for {
		status, err := r.count(job, e)
		if err != nil {
			return &CountError{job.ID, err}
		}
		if e.last != nil && proto.Equal(status, e.last) {
			return nil
		}
		if err := r.publish(ctx, status); err != nil {
			return fmt.Errorf("report job %s: %w", job.ID, err)
		}
		e.last = status
	}
}

// count returns the job's status according to the store.
func (r *Reporter) count(job store.Job, e *jobEntry) (*jobspb.JobStatus, error) {
	status := &jobspb.JobStatus{
		JobId: job.ID, JobType: job.Type, State: jobspb.JobState_JOB_STATE_IN_PROGRESS,
	}
	if e.manifest == nil {
		m, err := r.store.Manifest(job)
		switch {
		case err == nil:
			m.Submitted = nil
			e.manifest = &m
		case !errors.Is(err, store.ErrNotFound): // jobs that bypass the API have no manifest
			return nil, err
		default:
			if status.ResourcesTotal, err = r.knownTotal(job); err != nil {
				return nil, err
			}
		}
	}
	canceled, err := r.store.IsCanceled(job)
	if err != nil {
		return nil, err
	}
	count, err := r.store.Count(job)
	if err != nil {
		return nil, err
	}
	status.ResourcesCompleted, status.ResourcesFailed = count.Completed, count.Failed
	if last := count.LastFailure; last != nil {
		status.LastErrorCode, status.LastErrorMessage = last.Code, last.Message
	}
	finished := count.Completed + count.Failed
	if m := e.manifest; m != nil {
		status.ManifestKey, status.Tenant, status.ResourcesTotal = m.Key(), m.Tenant, m.Resources
	}
	if status.ResourcesTotal > 0 {
		// A producer that bypasses the API may have added tasks to the job.
		status.ResourcesTotal = max(status.ResourcesTotal, finished)
	}
	switch {
	case canceled:
		status.State = jobspb.JobState_JOB_STATE_FAILED
		status.LastErrorCode = CodeNotConfirmed
		status.LastErrorMessage = "the job was refused: not all of its tasks were confirmed"
	case status.ResourcesTotal == 0 || finished < status.ResourcesTotal:
	case count.Failed == 0:
		status.State = jobspb.JobState_JOB_STATE_COMPLETED
	case count.Completed == 0:
		status.State = jobspb.JobState_JOB_STATE_FAILED
	default:
		status.State = jobspb.JobState_JOB_STATE_PARTIAL
	}
	return status, nil
}

// knownTotal returns the number of resources of a job without a manifest, or with a damaged one: that
// of its last state; 0 when that is unknown.
func (r *Reporter) knownTotal(job store.Job) (uint32, error) {
	state, err := r.store.State(job.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case state.JobType != job.Type:
		return 0, nil
	}
	return state.Total, nil
}

// acquire returns the entry of a job, which stays in jobs until release.
func (r *Reporter) acquire(job store.Job) *jobEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.jobs[job]
	if !ok {
		e = &jobEntry{sem: make(chan struct{}, 1)}
		r.jobs[job] = e
	}
	e.users++
	return e
}

func (r *Reporter) release(job store.Job, e *jobEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.users--; e.users == 0 && len(r.jobs) > maxIdleJobs {
		delete(r.jobs, job)
	}
}
