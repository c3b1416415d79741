package download_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// respondWith starts a server that writes the same bytes to each request, and closes the connection.
func respondWith(t *testing.T, response string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_ = r.Body.Close()
				_, _ = io.WriteString(c, response)
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		<-done
	})
	return "http://" + l.Addr().String() + "/"
}

// A body in chunks is complete after its last chunk, and not when the connection ends before.
func TestBodyWithoutItsLastChunkIsIncomplete(t *testing.T) {
	t.Parallel()
	d := downloader(t, download.Default())
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n"
	for name, body := range map[string]string{
		"at the end of a chunk": head,
		"within a chunk":        head + "4\r\nda",
		"within the last chunk": head + "0\r\n",
	} {
		_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: respondWith(t, body)}, io.Discard)
		var failed *download.Error
		require.ErrorAs(t, err, &failed, name)
		require.Equal(t, download.CodeNetwork, failed.Code, "%s: %v", name, err)
		require.True(t, failed.Retryable, name)
	}
	size, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: respondWith(t, head+"0\r\n\r\n")}, io.Discard)
	require.NoError(t, err)
	require.EqualValues(t, 4, size)
}

// A response without the resource is not an empty resource.
func TestResponseWithoutContentIsNoResource(t *testing.T) {
	t.Parallel()
	s, d := server(t), downloader(t, download.Default())
	for _, path := range []string{"/status/202", "/status/204", "/status/205"} {
		_, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: s.URL + path}, io.Discard)
		var failed *download.Error
		require.ErrorAs(t, err, &failed, path)
		require.Equal(t, download.CodeHTTP2xx, failed.Code, "%v", err)
		require.False(t, failed.Retryable, path)
	}
	size, err := d.Fetch(t.Context(), &jobspb.DownloadTask{Url: s.URL + "/bytes/0"}, io.Discard)
	require.NoError(t, err, "an empty resource is one")
	require.Zero(t, size)
}
