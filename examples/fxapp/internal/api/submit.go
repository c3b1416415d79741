package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/manifest"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

const (
	jobTypeHeader    = "X-Fetchbox-Job-Type"
	maxJobTypeLength = 128
	// responseTimeout bounds the writing of a response, in addition to the publish timeout.
	responseTimeout = 30 * time.Second
)

// submitResponse is the response of POST /jobs.
type submitResponse struct {
	JobID         string `json:"job_id"`
	ManifestKey   string `json:"manifest_key"`
	ResourceCount int    `json:"resource_count"`
}

// submit accepts a job. It responds with 202 after Iggy has confirmed the first status and all
// tasks. Otherwise it cancels the job.
func (a *API) submit(w http.ResponseWriter, r *http.Request) error {
	jobType, err := jobTypeOf(r)
	if err != nil {
		return err
	}
	b := body{budget: a.bodies}
	defer b.release()
	if err := readBody(w, r, &b); err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(a.PublishTimeout + responseTimeout))
	m, err := manifest.Parse(b.text())
	if err != nil {
		return invalidPayload("%v", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	s, err := newSubmission(r, store.Job{Type: jobType, ID: id.String()}, b.text())
	if err != nil {
		return err
	}
	accepted, err := a.claim(s)
	if err != nil {
		return err
	}
	stored := store.Manifest{
		JobID: s.job.ID, JobType: s.job.Type, Resources: uint32(len(m.Resources)), Tenant: m.Tenant(),
		At: time.Now().UTC(), Submitted: b.text(),
	}
	if !accepted {
		if err := a.accept(r, stored, m); err != nil {
			a.release(s)
			return err
		}
		a.confirm(s)
	}
	WriteJSON(w, http.StatusAccepted, submitResponse{
		JobID: s.job.ID, ManifestKey: stored.Key(), ResourceCount: len(m.Resources),
	})
	return nil
}

// accept stores and publishes a job.
func (a *API) accept(r *http.Request, stored store.Manifest, m *manifest.Manifest) error {
	job := store.Job{Type: stored.JobType, ID: stored.JobID}
	if err := a.Store.PutManifest(stored); err != nil {
		return unavailable("the manifest could not be stored", err)
	}
	tasks := m.Tasks(manifest.Job{
		ID: job.ID, Type: job.Type, ManifestKey: stored.Key(), TraceID: traceIDOf(r),
	})

	// A client that disconnects must not leave a part of a job.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), a.PublishTimeout)
	defer cancel()
	if err := a.publishJob(ctx, stored, tasks); err != nil {
		a.cancel(ctx, job)
		return unavailable("the job could not be queued, try again", err)
	}
	// A client that requests the job at once finds it, before the ledger has stored the status.
	state := store.State{
		JobID: job.ID, JobType: job.Type, Status: store.Queued, Total: stored.Resources, At: stored.At,
	}
	if err := a.Store.PutState(state); err != nil {
		a.Log.Error("state of accepted job not stored", zap.String("job_id", job.ID), zap.Error(err))
	}
	return nil
}

// publishJob publishes the first status and then the tasks, so that the status of a worker cannot
// precede it.
func (a *API) publishJob(ctx context.Context, m store.Manifest, tasks []*jobspb.DownloadTask) error {
	_, err := a.Publisher.PublishJobStatus(ctx, &jobspb.JobStatus{
		JobId: m.JobID, JobType: m.JobType, State: jobspb.JobState_JOB_STATE_QUEUED,
		ResourcesTotal: m.Resources, ManifestKey: m.Key(), Tenant: m.Tenant,
	})
	if err != nil {
		return err
	}
	return a.Publisher.PublishDownloadTasks(ctx, tasks)
}

// cancel cancels a job that was not confirmed, so that workers skip the tasks that were published,
// and reports it as failed.
func (a *API) cancel(ctx context.Context, job store.Job) {
	log := a.failed.With(zap.String("job_id", job.ID))
	if err := a.Store.Cancel(job); err != nil {
		log.Error("refused job not canceled, its tasks may be processed", zap.Error(err))
		return
	}
	// The timeout is short: the client waits for the response, and Iggy is probably unavailable.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := a.Progress.Report(ctx, job); err != nil {
		log.Warn("status of refused job not published", zap.Error(err))
	}
}

func jobTypeOf(r *http.Request) (string, error) {
	jobType := strings.TrimSpace(r.Header.Get(jobTypeHeader))
	switch {
	case jobType == "":
		return "", invalidPayload("the header %s is missing", jobTypeHeader)
	case !utf8.ValidString(jobType), strings.ContainsFunc(jobType, unicode.IsControl):
		return "", invalidPayload("the header %s must be plain text", jobTypeHeader)
	case utf8.RuneCountInString(jobType) > maxJobTypeLength:
		return "", invalidPayload("the header %s must have at most %d characters",
			jobTypeHeader, maxJobTypeLength)
	}
	return jobType, nil
}

// traceIDOf returns the id of the request's trace, or a new one.
func traceIDOf(r *http.Request) string {
	if span := trace.SpanContextFromContext(r.Context()); span.HasTraceID() {
		return span.TraceID().String()
	}
	// W3C Trace Context: version-traceid-parentid-flags
	parts := strings.Split(r.Header.Get("traceparent"), "-")
	if len(parts) >= 4 && jobs.IsTraceID(parts[1]) {
		return parts[1]
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}
