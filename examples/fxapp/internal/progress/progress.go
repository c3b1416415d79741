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

// CodeAbandoned is the error code of a job that was refused after some of its
// tasks may have been published.
const CodeAbandoned = "SYSTEM_NOT_CONFIRMED"

// Publish publishes a status and returns when it is confirmed.
type Publish func(ctx context.Context, status *jobspb.JobStatus) error

// Reporter reports jobs. It is safe for concurrent use.
type Reporter struct {
	store   *store.Store
	publish Publish

	mu   sync.Mutex
	jobs map[store.Job]*entry
}

// entry is what this process knows of a job.
type entry struct {
	users int
	turn  chan struct{} // held while counting and publishing
	// Guarded by turn:
	manifest *store.Manifest
	last     *jobspb.JobStatus // confirmed
}

// maxIdle bounds the jobs that are remembered while nobody reports them. One
// that is forgotten costs a status that says nothing new.
const maxIdle = 1000

// New makes a Reporter.
func New(s *store.Store, publish Publish) *Reporter {
	return &Reporter{store: s, publish: publish, jobs: map[store.Job]*entry{}}
}

// Started reports a job of which this process has not reported anything yet.
func (r *Reporter) Started(ctx context.Context, job store.Job) error {
	return r.report(ctx, job, func(e *entry) bool { return e.last != nil })
}

// Report publishes how far the job is, unless that is known. When it returns
// nil, a status is confirmed that counts everything which was stored before the call. Reports
// of one job wait for each other, so that many at once need few statuses.
func (r *Reporter) Report(ctx context.Context, job store.Job) error {
	return r.report(ctx, job, func(*entry) bool { return false })
}

func (r *Reporter) report(ctx context.Context, job store.Job, enough func(*entry) bool) error {
	e := r.enter(job)
	defer r.leave(job, e)
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if enough(e) {
		return nil
	}
	for {
		status, err := r.count(job, e)
		if err != nil {
			return fmt.Errorf("count what is done of job %s: %w", job.ID, err)
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

// count is the job's status by what is stored.
func (r *Reporter) count(job store.Job, e *entry) (*jobspb.JobStatus, error) {
	status := &jobspb.JobStatus{JobId: job.ID, JobType: job.Type, State: jobspb.JobState_JOB_STATE_IN_PROGRESS}
	if e.manifest == nil {
		m, err := r.store.Manifest(job)
		switch {
		case err == nil:
			m.Submitted = nil
			e.manifest = &m
		case !errors.Is(err, store.ErrNotFound): // a direct producer's job has none
			return nil, err
		}
	}
	gone, err := r.store.IsAbandoned(job)
	if err != nil {
		return nil, err
	}
	done, err := r.store.Count(job)
	if err != nil {
		return nil, err
	}
	status.ResourcesCompleted, status.ResourcesFailed = done.Completed, done.Failed
	if done.Last != nil {
		status.LastErrorCode, status.LastErrorMessage = done.Last.Code, done.Last.Message
	}
	finished := done.Completed + done.Failed
	if m := e.manifest; m != nil {
		status.ManifestKey, status.Tenant = m.Key(), m.Tenant
		// More than there are: a direct producer added some to the job.
		status.ResourcesTotal = max(m.Resources, finished)
	}
	switch {
	case gone:
		status.State = jobspb.JobState_JOB_STATE_FAILED
		status.LastErrorCode, status.LastErrorMessage = CodeAbandoned, "the job was refused: not all of its tasks were confirmed"
	case e.manifest == nil || finished < status.ResourcesTotal:
	case done.Failed == 0:
		status.State = jobspb.JobState_JOB_STATE_COMPLETED
	case done.Completed == 0:
		status.State = jobspb.JobState_JOB_STATE_FAILED
	default:
		status.State = jobspb.JobState_JOB_STATE_PARTIAL
	}
	return status, nil
}

func (r *Reporter) enter(job store.Job) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.jobs[job]
	if !ok {
		e = &entry{turn: make(chan struct{}, 1)}
		r.jobs[job] = e
	}
	e.users++
	return e
}

func (r *Reporter) leave(job store.Job, e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.users--; e.users == 0 && len(r.jobs) > maxIdle {
		delete(r.jobs, job)
	}
}
