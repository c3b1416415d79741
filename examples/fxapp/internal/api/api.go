package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/semaphore"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/overview"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/progress"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// Publisher publishes the tasks and the first status of a job. Each method returns after everything
// is confirmed. *jobs.Publisher implements it.
type Publisher interface {
	PublishDownloadTasks(ctx context.Context, tasks []*jobspb.DownloadTask, opts ...producer.PublishOption) error
	PublishJobStatus(ctx context.Context, status *jobspb.JobStatus, opts ...producer.PublishOption) (producer.Result, error)
}

// Params are the dependencies of an API.
type Params struct {
	Publisher Publisher
	Store     *store.Store
	Progress  *progress.Reporter
	// Live and Ready serve the probes, Components the state of each component.
	Live, Ready, Components http.Handler
	// Metrics serves the metrics for Prometheus.
	Metrics http.Handler
	// Topics returns the topics on the server.
	Topics func(ctx context.Context) ([]overview.Topic, error)
	// DeadLetters returns the first MaxDeadLetters dead letters of a job, and how many there are.
	DeadLetters func(ctx context.Context, jobID string) (letters []DeadLetter, total int, err error)
	// Replay publishes the tasks of a job's open dead letters again.
	Replay func(ctx context.Context, jobID string) (Replayed, error)
	// MaxStreams bounds the log streams that are open at a time.
	MaxStreams int
	// PublishTimeout bounds the wait for the confirmation of a job.
	PublishTimeout time.Duration
	// Log gets the failed requests. Nil means no logging.
	Log *zap.Logger
}

// API is the HTTP handler.
type API struct {
	Params
	mux     *http.ServeMux
	failed  *zap.Logger         // of failed requests, a few of each kind in a minute
	bodies  *semaphore.Weighted // bytes of request bodies
	streams *semaphore.Weighted // log streams
	letters *semaphore.Weighted // requests that read the topic of dead letters
}

// loggedFailures is how many failed requests of a kind are logged in a minute.
const loggedFailures = 5

// New returns an API.
func New(p Params) *API {
	if p.Log == nil {
		p.Log = zap.NewNop()
	}
	a := &API{
		Params: p, mux: http.NewServeMux(),
		failed: p.Log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
			return zapcore.NewSamplerWithOptions(c, time.Minute, loggedFailures, 0)
		})),
		bodies: semaphore.NewWeighted(maxBodies), streams: semaphore.NewWeighted(int64(p.MaxStreams)),
		letters: semaphore.NewWeighted(maxLetterReads),
	}
	a.handle("POST /jobs", a.submit)
	a.handle("GET /{$}", a.servePage)
	a.handle("GET /operators/jobs", a.listJobs)
	a.handle("GET /operators/jobs/{job_id}", a.getJob)
	a.handle("GET /operators/jobs/{job_id}/logs", a.streamLog)
	a.handle("GET /operators/jobs/{job_id}/dead-letters", a.listDeadLetters)
	a.handle("POST /operators/jobs/{job_id}/replay", a.replay)
	a.handle("GET /operators/topics", a.listTopics)
	a.mux.Handle("GET /operators/health", p.Components)
	a.mux.Handle("GET /metrics", p.Metrics)
	a.mux.Handle("GET /health/live", p.Live)
	a.mux.Handle("GET /health/ready", p.Ready)
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h, pattern := a.mux.Handler(r); pattern == "" {
		a.refuse(w, r, h)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// refuse responds to a request without a handler with the error in JSON. muxHandler is the handler of
// the mux, which sets Allow when other methods have a handler.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, muxHandler http.Handler) {
	muxHandler.ServeHTTP(headerWriter{w.Header()}, r)
	allow := w.Header().Get("Allow")
	if allow == "" {
		writeError(w, asHTTPError(notFound("page")))
		return
	}
	writeError(w, &httpError{
		status: http.StatusMethodNotAllowed, code: codeMethod, message: "the methods of this page are " + allow,
	})
}

// headerWriter is a response of which only the headers are kept.
type headerWriter struct{ header http.Header }

func (w headerWriter) Header() http.Header         { return w.header }
func (w headerWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w headerWriter) WriteHeader(int)             {}

// handle registers a handler whose errors and panics become error responses.
func (a *API) handle(pattern string, serve func(http.ResponseWriter, *http.Request) error) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		err := callHandler(w, r, serve)
		if err == nil {
			return
		}
		e := asHTTPError(err)
		if e.status >= http.StatusInternalServerError {
			message := "request failed"
			if e.status == http.StatusServiceUnavailable {
				message = "request refused" // many of these must not hide other failures
			}
			a.failed.Error(message, zap.String("method", r.Method), zap.String("path", bounded.Text(r.URL.Path, maxQuoted)),
				zap.Int("status", e.status), telemetry.TraceID(r.Context()), zap.Error(err))
		}
		writeError(w, e)
	})
}

// callHandler calls serve and returns a panic as an error.
func callHandler(
	w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request) error,
) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return serve(w, r)
}
