package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
)

func TestKnownHosts(t *testing.T) {
	t.Parallel()
	served := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") })
	known := []string{"fetchbox", "Box.example.org", "10.1.2.3", "2001:db8::1"}
	for _, tt := range []struct {
		method, path, host string
		headers            []string
		want               int
	}{
		{"GET", "/operators/jobs", "127.0.0.1:8080", nil, 200},
		{"GET", "/operators/jobs", "localhost", nil, 200},
		{"GET", "/operators/jobs", "LOCALHOST.:8080", nil, 200},
		{"GET", "/operators/jobs", "fetchbox.localhost:8080", nil, 200},
		{"GET", "/operators/jobs", "[::1]:8080", nil, 200},
		{"GET", "/operators/jobs", "fetchbox:80", nil, 200},
		{"GET", "/operators/jobs", "box.EXAMPLE.org", nil, 200},
		{"GET", "/operators/jobs", "10.1.2.3:8080", nil, 200},
		{"GET", "/operators/jobs", "[2001:db8::1]:8080", nil, 200},
		{"GET", "/operators/jobs", "rebound.example.com:8080", nil, 403},
		{"GET", "/operators/jobs", "127.0.0.1.example.com", nil, 403},
		{"GET", "/operators/jobs", "notlocalhost", nil, 403},
		{"GET", "/operators/jobs", "192.0.2.1", nil, 403},
		{"GET", "/operators/jobs", "", nil, 403},
		{"GET", "/", "rebound.example.com", nil, 403},
		{"POST", "/jobs", "rebound.example.com", nil, 403},
		{"GET", "/healthy", "rebound.example.com", nil, 403},
		// Probes have the address of the process as their host.
		{"GET", "/health/ready", "10.9.9.9:8080", nil, 200},
		{"GET", "/metrics", "10.9.9.9:8080", nil, 200},

		{"POST", "/jobs", "localhost:8080", []string{"Origin", "http://localhost:8080"}, 200},
		{"POST", "/jobs", "localhost:8080", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"POST", "/jobs", "localhost:8080", []string{"Origin", "http://evil.example.com"}, 403},
		{"POST", "/jobs", "localhost:8080", []string{"Origin", "http://localhost:9000"}, 403},
		{"POST", "/jobs", "localhost:8080", []string{"Origin", "null"}, 403},
		{"POST", "/operators/jobs/j/replay", "localhost:8080", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", "/operators/jobs/j/replay", "localhost:8080", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"GET", "/operators/jobs", "localhost:8080", []string{"Sec-Fetch-Site", "cross-site"}, 200},
	} {
		r := httptest.NewRequest(tt.method, "http://x"+tt.path, http.NoBody)
		r.Host = tt.host
		for i := 0; i < len(tt.headers); i += 2 {
			r.Header.Set(tt.headers[i], tt.headers[i+1])
		}
		w := httptest.NewRecorder()
		api.KnownHosts(known, served).ServeHTTP(w, r)
		require.Equal(t, tt.want, w.Code, "%+v", tt)
		if tt.want == http.StatusForbidden {
			require.Contains(t, w.Body.String(), `"FORBIDDEN"`)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "http://anything.example.com/", http.NoBody)
	w := httptest.NewRecorder()
	api.KnownHosts([]string{"*"}, served).ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
}
