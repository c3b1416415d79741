package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

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
	// PublishTimeout bounds the wait for the confirmation of a job.
	PublishTimeout time.Duration
	// Log gets the failed requests. Nil means no logging.
	Log *zap.Logger
}

// API is the HTTP handler.
type API struct {
	Params
	mux *http.ServeMux
}

// New returns an API.
func New(p Params) *API {
	if p.Log == nil {
		p.Log = zap.NewNop()
	}
	a := &API{Params: p, mux: http.NewServeMux()}
	a.handle("POST /jobs", a.submit)
	a.handle("GET /{$}", a.servePage)
	a.handle("GET /operators/jobs", a.listJobs)
	a.handle("GET /operators/jobs/{job_id}", a.getJob)
	a.handle("GET /operators/jobs/{job_id}/logs", a.streamLog)
	a.handle("GET /operators/topics", a.listTopics)
	a.mux.Handle("GET /operators/health", p.Components)
	a.mux.Handle("GET /metrics", p.Metrics)
	a.mux.Handle("GET /health/live", p.Live)
	a.mux.Handle("GET /health/ready", p.Ready)
	a.handle("/", func(_ http.ResponseWriter, r *http.Request) error {
		if r.URL.Path == "/jobs" {
			return &httpError{
				status: http.StatusMethodNotAllowed, code: codeMethod, message: "jobs are submitted with POST",
			}
		}
		return notFound("page")
	})
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// handle registers a handler whose errors and panics become error responses.
func (a *API) handle(pattern string, serve func(http.ResponseWriter, *http.Request) error) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		err := callHandler(w, r, serve)
		if err == nil {
			return
		}
		e := asHTTPError(err)
		if e.status >= http.StatusInternalServerError {
			a.Log.Error("request failed", zap.String("method", r.Method), zap.String("path", r.URL.Path),
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
