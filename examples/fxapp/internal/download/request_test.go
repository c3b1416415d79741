package download_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// A URL is sent as a browser sends it, and a signed one byte for byte.
func TestURLIsEncodedOnce(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			w.Header().Set("Location", "/a b?c=d e")
			w.WriteHeader(http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, r.RequestURI)
	}))
	t.Cleanup(s.Close)
	d := downloader(t, download.Default())
	for raw, sent := range map[string]string{
		"/a b?c=d e":               "/a%20b?c=d%20e",
		"/\u00e9?\u00f6=\u00fc":    "/%C3%A9?%C3%B6=%C3%BC",
		`/?q="<a>"`:                "/?q=%22%3Ca%3E%22",
		"/a%20b?c=d%20e+f":         "/a%20b?c=d%20e+f",
		"/a%2Fb?s=x%2By%2F&e=a|b'": "/a%2Fb?s=x%2By%2F&e=a|b'",
		"/a?":                      "/a?",
		"/redirect":                "/a%20b?c=d%20e",
	} {
		var b bytes.Buffer
		_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: s.URL + raw}, &b)
		require.NoError(t, err, raw)
		require.Equal(t, sent, b.String(), raw)
	}
}
