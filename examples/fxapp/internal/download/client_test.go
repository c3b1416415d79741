package download_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// Requests that fail don't open a connection each, which would use up the ports of the machine.
func TestConnectionIsUsedAgainAfterAnError(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(make([]byte, 30_000))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	d := downloader(t, download.Default())
	for range 20 {
		_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: s.URL}, io.Discard)
		require.ErrorContains(t, err, "503")
	}
	require.EqualValues(t, 1, connections.Load())
}

// The body of an error that never ends delays nothing.
func TestEndlessBodyOfAnErrorIsNotRead(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("a part"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	began := time.Now()
	_, err := downloader(t, download.Default()).Fetch(t.Context(), &jobspb.DownloadTask{Url: s.URL}, io.Discard)
	require.ErrorContains(t, err, "503")
	require.Less(t, time.Since(began), download.Default().Timeout/2)
}

// A server that redirects until it sees its cookie gets the cookie, in the same attempt only.
func TestCookiesAreKeptWithinAnAttempt(t *testing.T) {
	t.Parallel()
	var given atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookies := r.CookiesNamed("consent")
		if len(cookies) == 0 {
			given.Add(1)
			http.SetCookie(w, &http.Cookie{Name: "consent", Value: "yes"})
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, cookies[0].Value)
	}))
	t.Cleanup(s.Close)
	d := downloader(t, download.Default())
	for attempt := range int32(2) {
		var b bytes.Buffer
		_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: s.URL + "/a"}, &b)
		require.NoError(t, err)
		require.Equal(t, "yes", b.String())
		require.Equal(t, attempt+1, given.Load(), "a cookie of one task is not sent for another")
	}
}
