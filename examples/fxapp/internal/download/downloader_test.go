package download_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func downloader(t *testing.T, cfg download.Config) *download.Downloader {
	t.Helper()
	d := download.New(cfg)
	t.Cleanup(d.Close)
	return d
}

func server(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+"|"+r.Header.Get("X-A")+"|"+r.Header.Get("Accept-Encoding"))
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(code)
	})
	mux.HandleFunc("/bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		if r.URL.Query().Has("chunked") {
			w.(http.Flusher).Flush()
		}
		_, _ = w.Write(make([]byte, n))
	})
	mux.HandleFunc("/stall", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/stall-after-a-byte", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte{1})
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte{1})
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestFetch(t *testing.T) {
	t.Parallel()
	s, d := server(t), downloader(t, download.Default())
	var b bytes.Buffer
	n, err := d.Fetch(t.Context(), &jobspb.DownloadTask{
		Url: s.URL + "/echo", Headers: []*jobspb.HttpHeader{{Name: "x-a", Value: "1"}, {Name: "host", Value: "example.com"}},
	}, &b)
	require.NoError(t, err)
	require.Equal(t, "example.com|1|", b.String(), "no compression is requested")
	require.EqualValues(t, b.Len(), n)
}

func TestFetchErrors(t *testing.T) {
	t.Parallel()
	s := server(t)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())

	d := downloader(t, download.Config{Timeout: 10 * time.Second, MaxBytes: 100})
	hasty := downloader(t, download.Config{Timeout: 50 * time.Millisecond, MaxBytes: 100})
	for _, tt := range []struct {
		name, url string
		by        *download.Downloader
		code      string
		retryable bool
	}{
		{"400", s.URL + "/status/400", d, "DOWNLOAD_HTTP_4XX", false},
		{"404", s.URL + "/status/404", d, "DOWNLOAD_HTTP_4XX", false},
		{"408", s.URL + "/status/408", d, "DOWNLOAD_HTTP_4XX", true},
		{"429", s.URL + "/status/429", d, "DOWNLOAD_HTTP_4XX", true},
		{"499", s.URL + "/status/499", d, "DOWNLOAD_HTTP_4XX", true},
		{"500", s.URL + "/status/500", d, "DOWNLOAD_HTTP_5XX", true},
		{"503", s.URL + "/status/503", d, "DOWNLOAD_HTTP_5XX", true},
		{"304", s.URL + "/status/304", d, "DOWNLOAD_HTTP_3XX", false},
		{"too large, announced", s.URL + "/bytes/101", d, "DOWNLOAD_TOO_LARGE", false},
		{"too large, chunked", s.URL + "/bytes/101?chunked", d, "DOWNLOAD_TOO_LARGE", false},
		{"stalled server", s.URL + "/stall", hasty, "DOWNLOAD_TIMEOUT", true},
		{"stalled body", s.URL + "/stall-after-a-byte", hasty, "DOWNLOAD_TIMEOUT", true},
		{"aborted connection", s.URL + "/cut", d, "DOWNLOAD_NETWORK", true},
		{"no server", "http://" + closed.Addr().String(), d, "DOWNLOAD_NETWORK", true},
		{"unknown host", "http://no-such-host.invalid/", d, "DOWNLOAD_DNS", true},
		{"unknown certificate", secure.URL, d, "DOWNLOAD_TLS", false},
		{"server without TLS", strings.Replace(s.URL, "http:", "https:", 1), d, "DOWNLOAD_TLS", false},
		{"redirect loop", s.URL + "/loop", d, "DOWNLOAD_REDIRECTS", false},
		{"redirect to a file", s.URL + "/file", d, "DOWNLOAD_URL", false},
		{"bad URL", "http://[::1", d, "DOWNLOAD_URL", false},
		{"bad port", "http://127.0.0.1:notaport/", d, "DOWNLOAD_URL", false},
		{"port above 65535", "http://127.0.0.1:99999/", d, "DOWNLOAD_URL", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.by.Fetch(t.Context(), &jobspb.DownloadTask{Url: tt.url}, io.Discard)
			var failed *download.Error
			require.ErrorAs(t, err, &failed)
			require.Equal(t, tt.code, failed.Code, "%v", err)
			require.Equal(t, tt.code, topic.CodeOf(err))
			require.Equal(t, tt.retryable, failed.Retryable, "%v", err)
			if strings.Contains(tt.url, "/status/") && tt.retryable {
				require.Equal(t, 7*time.Second, failed.RetryAfter)
			}
		})
	}
}

func TestFetchAllowsExactlyMaxBytes(t *testing.T) {
	t.Parallel()
	s, d := server(t), downloader(t, download.Config{Timeout: 10 * time.Second, MaxBytes: 100})
	for _, query := range []string{"", "?chunked"} {
		n, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: s.URL + "/bytes/100" + query}, io.Discard)
		require.NoError(t, err)
		require.EqualValues(t, 100, n)
	}
}

func TestErrorsHideSecrets(t *testing.T) {
	t.Parallel()
	s, d := server(t), downloader(t, download.Default())
	for _, path := range []string{"/status/404?token=s3cret", "/loop?token=s3cret"} {
		_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: strings.Replace(s.URL, "//", "//user:s3cret@", 1) + path}, io.Discard)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

func TestCanceledContextIsNotADownloadError(t *testing.T) {
	t.Parallel()
	s, d := server(t), downloader(t, download.Default())
	stopping := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	go cancel(stopping)
	_, err := d.Fetch(ctx, &jobspb.DownloadTask{Url: s.URL + "/stall"}, io.Discard)
	require.ErrorIs(t, err, stopping)
	var failed *download.Error
	require.NotErrorAs(t, err, &failed)
}

type failingWriter struct{ err error }

func (b failingWriter) Write([]byte) (int, error) { return 0, b.err }

func TestWriteErrorsAreReturnedUnchanged(t *testing.T) {
	t.Parallel()
	s, d := server(t), downloader(t, download.Default())
	full := errors.New("disk full")
	_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: s.URL + "/bytes/10"}, failingWriter{full})
	require.Equal(t, full, err)
}
