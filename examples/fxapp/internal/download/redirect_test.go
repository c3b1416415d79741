package download_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// headerServer responds with the headers of the request, and redirects /to?URL.
func headerServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to" {
			w.Header().Set("Location", r.URL.Query().Get("url"))
			w.WriteHeader(http.StatusFound)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			_, _ = io.WriteString(w, name+": "+strings.Join(r.Header[name], ",")+"\n")
		}
		_, _ = io.WriteString(w, "Host: "+r.Host+"\n")
	}))
	t.Cleanup(s.Close)
	return s
}

func TestHeadersStayWithTheirOrigin(t *testing.T) {
	t.Parallel()
	origin, other, d := headerServer(t), headerServer(t), downloader(t, download.Default())
	to := func(s *httptest.Server, target string) string {
		return s.URL + "/to?token=s3cret&url=" + strings.NewReplacer(":", "%3A", "/", "%2F", "?", "%3F", "&", "%26", "%", "%25").Replace(target)
	}
	localhost := strings.Replace(origin.URL, "127.0.0.1", "localhost", 1)
	own := "Authorization: Bearer s3cret\nCookie: s3cret\nUser-Agent: s3cret\nX-Api-Key: s3cret\n"
	host := func(s *httptest.Server) string { return "Host: " + strings.TrimPrefix(s.URL, "http://") + "\n" }
	for name, tt := range map[string]struct{ url, want string }{
		"no redirect":                {origin.URL + "/", own + host(origin)},
		"the same origin":            {to(origin, origin.URL+"/"), own + host(origin)},
		"the same origin, relative":  {to(origin, "/"), own + host(origin)},
		"another port":               {to(origin, other.URL+"/"), "User-Agent: fetchbox\n" + host(other)},
		"another host":               {to(origin, localhost+"/"), "User-Agent: fetchbox\nHost: " + strings.TrimPrefix(localhost, "http://") + "\n"},
		"another origin and on":      {to(origin, to(other, other.URL+"/")), "User-Agent: fetchbox\n" + host(other)},
		"another origin with a user": {to(origin, strings.Replace(other.URL, "//", "//a:b@", 1)+"/"), "Authorization: Basic YTpi\nUser-Agent: fetchbox\n" + host(other)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: tt.url, Headers: []*jobspb.HttpHeader{
				{Name: "authorization", Value: "Bearer s3cret"},
				{Name: "cookie", Value: "s3cret"},
				{Name: "x-api-key", Value: "s3cret"},
				{Name: "user-agent", Value: "s3cret"},
			}}, &b)
			require.NoError(t, err)
			require.Equal(t, tt.want, b.String())
		})
	}
	var b bytes.Buffer
	_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: to(origin, "/"), Headers: []*jobspb.HttpHeader{{Name: "referer", Value: "its own"}}}, &b)
	require.NoError(t, err)
	require.Contains(t, b.String(), "Referer: its own\n")
}

// A redirect that can't be followed is not worth a retry, and the error does not quote it.
func TestUnusableRedirects(t *testing.T) {
	t.Parallel()
	d := downloader(t, download.Default())
	for _, location := range []string{
		"http://a/%zz?signature=s3cret", "http://user:s3cret@@@/", "http://[s3cret/", "s3cret://a/", "http:///s3cret", "http://a:s3cret/",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 302 s3cret\r\nContent-Length: 0\r\nLocation: "+location+"\r\n\r\n")
				_ = c.Close()
			}
		}))
		t.Cleanup(s.Close)
		_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: s.URL + "/a?signature=s3cret"}, io.Discard)
		var failed *download.Error
		require.ErrorAs(t, err, &failed, location)
		require.Equal(t, download.CodeURL, failed.Code, location)
		require.False(t, failed.Retryable, location)
		require.NotContains(t, err.Error(), "s3cret")
		require.Contains(t, err.Error(), s.URL+"/a")
	}
}
