package api_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// stall sends the headers of a job of 4.9 MB and n bytes of its body.
func (f *fixture) stall(t *testing.T, n int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", f.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_, err = io.WriteString(c, "POST /jobs HTTP/1.1\r\nHost: x\r\nX-Fetchbox-Job-Type: demo\r\nContent-Length: 4900000\r\n\r\n"+strings.Repeat(" ", n))
	require.NoError(t, err)
	return c
}

// All bodies together have a limit: who comes when it is used up gets 503 and may try again.
func TestUnfinishedBodiesAreBoundedTogether(t *testing.T) {
	t.Parallel()
	f := start(t)
	refused := make(chan *http.Response, 20)
	var stalled []net.Conn
	for range 20 { // of 4.9 MB each
		c := f.stall(t, 4_899_999)
		stalled = append(stalled, c)
		go func() {
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err == nil {
				refused <- response
			}
		}()
	}
	for range 13 { // 7 bodies may fit into 32 MiB
		response := <-refused
		require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
		require.NotEmpty(t, response.Header.Get("Retry-After"))
		require.NoError(t, response.Body.Close())
	}
	for _, c := range stalled {
		require.NoError(t, c.Close())
	}
	// The memory of ended requests is free again.
	require.Eventually(t, func() bool {
		response, _ := f.post(t, strings.NewReader(valid+strings.Repeat(" ", 4_000_000)))
		return response.StatusCode == http.StatusAccepted
	}, waitTimeout, pollInterval)
}

// A client that announces much and sends little holds little.
func TestStalledRequestsHoldWhatTheySent(t *testing.T) {
	t.Parallel()
	f := start(t)
	for range 200 {
		f.stall(t, 1000)
	}
	response, answer := f.post(t, strings.NewReader(valid+strings.Repeat(" ", 4_900_000)))
	require.Equal(t, http.StatusAccepted, response.StatusCode, "%v", answer)
}

func TestByteOrderMarkIsIgnored(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, compressed := range []bool{false, true} {
		body, headers := io.Reader(strings.NewReader("\ufeff"+valid)), []string(nil)
		if compressed {
			body, headers = gzipped(t, []byte("\ufeff"+valid)), []string{"Content-Encoding", "gzip"}
		}
		response, answer := f.post(t, body, headers...)
		require.Equal(t, http.StatusAccepted, response.StatusCode, "%v", answer)
		m, err := f.store.Manifest(store.Job{Type: "images", ID: answer["job_id"].(string)})
		require.NoError(t, err)
		require.JSONEq(t, valid, string(m.Submitted))
	}
}

// A key that a manifest has twice is not guessed.
func TestDuplicateKeysAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	response, answer := f.post(t, strings.NewReader(`{"manifest_version": "v1", "metadata": {},
		"resources": [{"id": "a", "url": "http://example.com/a"}],
		"resources": [{"id": "b"}]}`))
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Equal(t, map[string]any{"code": "INVALID_PAYLOAD", "message": "line 3: resources: duplicate key"}, answer["error"])
	require.Empty(t, f.publisher.published)
}
