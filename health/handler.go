package health

import (
	"encoding/json"
	"net/http"
)

// The paths of the probes.
const (
	LivePath  = "/health/live"
	ReadyPath = "/health/ready"
)

// Handler answers GET and HEAD requests at LivePath and ReadyPath with a JSON body that must not be
// cached. It is safe for concurrent use.
type Handler struct {
	registry *Registry
	mux      *http.ServeMux
}

// NewHandler makes the Handler of a Registry.
func NewHandler(r *Registry) *Handler {
	h := &Handler{registry: r, mux: http.NewServeMux()}
	h.Register(h.mux)
	return h
}

// Register adds both probes to a mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle(LivePath, h.Live())
	mux.Handle(ReadyPath, h.Ready())
}

// ServeHTTP answers both probes. Use it to mount the Handler under "/health/".
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// Live answers 200 while the process runs: {"status":"up"}.
func (h *Handler) Live() http.Handler {
	return probe(func(*http.Request) (bool, any) {
		return true, struct {
			Status Status `json:"status"`
		}{Up}
	})
}

// Ready answers 200 while all components are up and the service is not draining, and 503 otherwise.
// The body is a Report.
func (h *Handler) Ready() http.Handler {
	return probe(func(r *http.Request) (bool, any) {
		report := h.registry.Check(r.Context())
		return report.Status == Up, report
	})
}

// probe answers requests with 200 or 503.
func probe(answer func(*http.Request) (ok bool, body any)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		ok, body := answer(r)
		text, err := json.MarshalIndent(body, "", "  ")
		if err != nil { // not expected: details are JSON already
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		header.Set("Content-Type", "application/json")
		status := http.StatusOK
		if !ok {
			status = http.StatusServiceUnavailable
		}
		w.WriteHeader(status)
		if r.Method == http.MethodGet {
			_, _ = w.Write(append(text, '\n')) // the client may be gone
		}
	})
}
