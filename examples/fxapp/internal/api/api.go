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

// Publisher is what the API publishes; *jobs.Publisher in production. Each
// call returns when everything is confirmed.
type Publisher interface {
	PublishDownloadTasks(ctx context.Context, tasks []*jobspb.DownloadTask, opts ...producer.PublishOption) error
	PublishJobStatus(ctx context.Context, status *jobspb.JobStatus, opts ...producer.PublishOption) error
}

// Parts is what an API is made of.
type Parts struct {
	Publisher Publisher
	Store     *store.Store
	Progress  *progress.Reporter
	// Live, Ready and Components are the probes and the state of each component.
	Live, Ready, Components http.Handler
	// Metrics is what Prometheus reads.
	Metrics http.Handler
	// Topics shows the topics on the server.
	Topics func(ctx context.Context) ([]overview.Topic, error)
	// PublishTimeout bounds the wait for Iggy's confirmation of a job.
	PublishTimeout time.Duration
	// Log is where refused and failed requests go; nil means nowhere.
	Log *zap.Logger
}

// API serves the HTTP interface.
type API struct {
	Parts
	mux *http.ServeMux
}

// New makes an API.
func New(parts Parts) *API {
	if parts.Log == nil {
		parts.Log = zap.NewNop()
	}
	a := &API{Parts: parts, mux: http.NewServeMux()}
	a.handle("POST /jobs", a.submit)
	a.handle("GET /{$}", a.home)
	a.handle("GET /operators/jobs", a.list)
	a.handle("GET /operators/jobs/{job_id}", a.state)
	a.handle("GET /operators/jobs/{job_id}/logs", a.logs)
	a.handle("GET /operators/topics", a.topics)
	a.mux.Handle("GET /operators/health", parts.Components)
	a.mux.Handle("GET /metrics", parts.Metrics)
	a.mux.Handle("GET /health/live", parts.Live)
	a.mux.Handle("GET /health/ready", parts.Ready)
	a.handle("/", func(_ http.ResponseWriter, r *http.Request) error {
		if r.URL.Path == "/jobs" {
			return &failure{status: http.StatusMethodNotAllowed, code: codeMethod, message: "jobs are submitted with POST"}
		}
		return notFound("page")
	})
	return a
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// handle registers a handler whose errors, and panics, become answers.
func (a *API) handle(pattern string, serve func(http.ResponseWriter, *http.Request) error) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		err := recovered(w, r, serve)
		if err == nil {
			return
		}
		f := asFailure(err)
		if f.status >= http.StatusInternalServerError {
			a.Log.Error("request failed", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Int("status", f.status), telemetry.TraceID(r.Context()), zap.Error(err))
		}
		writeFailure(w, f)
	})
}

func recovered(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request) error) (err error) {
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
