package api

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
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
	// readTimeout bounds the arrival of a body.
	readTimeout = 30 * time.Second
	// answerTimeout bounds the departure of an answer, beyond the time for publishing.
	answerTimeout = 30 * time.Second
)

// accepted is the answer to POST /jobs.
type accepted struct {
	JobID         string `json:"job_id"`
	ManifestKey   string `json:"manifest_key"`
	ResourceCount int    `json:"resource_count"`
}

// submit takes a job. It answers 202 when Iggy has confirmed the first status and all
// tasks; otherwise nobody does what is left of the job.
func (a *API) submit(w http.ResponseWriter, r *http.Request) error {
	jobType, err := jobTypeOf(r)
	if err != nil {
		return err
	}
	body, err := read(w, r)
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(a.PublishTimeout + answerTimeout))
	m, err := manifest.Parse(body)
	if err != nil {
		return invalid("%v", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	job := store.Job{Type: jobType, ID: id.String()}
	stored := store.Manifest{
		JobID: job.ID, JobType: job.Type, Resources: uint32(len(m.Resources)), Tenant: m.Tenant(),
		At: time.Now().UTC(), Submitted: body,
	}
	if err := a.Store.PutManifest(stored); err != nil {
		return unavailable("the manifest could not be stored", err)
	}
	tasks := m.Tasks(manifest.Job{ID: job.ID, Type: job.Type, ManifestKey: stored.Key(), TraceID: traceIDOf(r)})

	// A caller that hangs up does not leave half a job behind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), a.PublishTimeout)
	defer cancel()
	if err := a.publish(ctx, stored, tasks); err != nil {
		a.abandon(ctx, job)
		return unavailable("the job could not be queued, try again", err)
	}
	// A caller that asks at once finds the job, before the ledger has read of it.
	if err := a.Store.PutState(store.State{JobID: job.ID, JobType: job.Type, Status: store.Queued, Total: stored.Resources, At: stored.At}); err != nil {
		a.Log.Error("an accepted job could not be noted", zap.String("job_id", job.ID), zap.Error(err))
	}
	WriteJSON(w, http.StatusAccepted, accepted{JobID: job.ID, ManifestKey: stored.Key(), ResourceCount: len(tasks)})
	return nil
}

// publish publishes the first status before the tasks, so that no worker's
// status comes before it.
func (a *API) publish(ctx context.Context, m store.Manifest, tasks []*jobspb.DownloadTask) error {
	err := a.Publisher.PublishJobStatus(ctx, &jobspb.JobStatus{
		JobId: m.JobID, JobType: m.JobType, State: jobspb.JobState_JOB_STATE_QUEUED,
		ResourcesTotal: m.Resources, ManifestKey: m.Key(), Tenant: m.Tenant,
	})
	if err != nil {
		return err
	}
	return a.Publisher.PublishDownloadTasks(ctx, tasks)
}

// abandon sees to it that tasks which got through are not done, and that the
// job does not look as if it would.
func (a *API) abandon(ctx context.Context, job store.Job) {
	log := a.Log.With(zap.String("job_id", job.ID))
	if err := a.Store.Abandon(job); err != nil {
		log.Error("a refused job could not be abandoned: its tasks may be done", zap.Error(err))
		return
	}
	// In the background the ledger would learn it sooner or later; the caller
	// waits for the answer, and Iggy is probably away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := a.Progress.Report(ctx, job); err != nil {
		log.Warn("a refused job's status could not be published", zap.Error(err))
	}
}

func jobTypeOf(r *http.Request) (string, error) {
	jobType := strings.TrimSpace(r.Header.Get(jobTypeHeader))
	switch {
	case jobType == "":
		return "", invalid("the header %s is missing", jobTypeHeader)
	case !utf8.ValidString(jobType), strings.ContainsFunc(jobType, unicode.IsControl):
		return "", invalid("the header %s must be plain text", jobTypeHeader)
	case utf8.RuneCountInString(jobType) > maxJobTypeLength:
		return "", invalid("the header %s must have at most %d characters", jobTypeHeader, maxJobTypeLength)
	}
	return jobType, nil
}

// read reads the body, unpacked, within the limit for both forms.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	const limit = manifest.MaxBytes
	// Not every writer can do this; the server's can.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(readTimeout))
	// Whoever still sends when the process stops is not waited for.
	detach := context.AfterFunc(r.Context(), func() { _ = control.SetReadDeadline(time.Now()) })
	defer detach()
	if r.ContentLength > limit {
		swallow(r, limit)
		return nil, tooLarge(limit)
	}
	body := io.Reader(http.MaxBytesReader(w, r.Body, limit))
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return nil, readError(err, limit)
		}
		body = io.LimitReader(unpacked, limit+1)
	default:
		return nil, invalid("the content encoding %q is not supported, gzip is", encoding)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, readError(err, limit)
	}
	if len(b) > limit {
		return nil, tooLarge(limit)
	}
	return b, nil
}

// swallow reads a body that is not much too large: a caller who is still sending when the
// connection closes may never see the answer. Whoever asks before sending sees it anyway.
func swallow(r *http.Request, limit int64) {
	if r.Header.Get("Expect") == "" && r.ContentLength <= 4*limit {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

func readError(err error, limit int64) error {
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return tooLarge(limit)
	}
	return invalid("the body could not be read: %v", err)
}

// traceIDOf is the trace that the request belongs to.
func traceIDOf(r *http.Request) string {
	if span := trace.SpanContextFromContext(r.Context()); span.HasTraceID() {
		return span.TraceID().String()
	}
	// version-traceid-parentid-flags, by W3C Trace Context
	if parts := strings.Split(r.Header.Get("traceparent"), "-"); len(parts) >= 4 && jobs.IsTraceID(parts[1]) {
		return parts[1]
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}
