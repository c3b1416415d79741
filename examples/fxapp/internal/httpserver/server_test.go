package httpserver_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/httpserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, handler http.HandlerFunc) *httpserver.Server {
	t.Helper()
	s := httpserver.New("127.0.0.1:0", handler, zap.NewNop(), func(err error) { t.Errorf("failed: %v", err) })
	require.NoError(t, s.Start(t.Context()))
	return s
}

func dial(t *testing.T, s *httpserver.Server, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_, err = io.WriteString(c, text)
	require.NoError(t, err)
	return c
}

// A connection that a browser opened in advance does not delay Stop.
func TestStopClosesUnusedConnections(t *testing.T) {
	t.Parallel()
	s := start(t, func(http.ResponseWriter, *http.Request) {})
	silent := dial(t, s, "")
	// Connections are accepted in order: after the second one answers, the first is accepted too.
	second := dial(t, s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	_, err := io.ReadAll(second)
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, s.Stop(t.Context()))
	require.Less(t, time.Since(began), 4*time.Second, "net/http alone takes 5")
	_, err = silent.Read(make([]byte, 1))
	require.Error(t, err)
}

// A request that runs longer than Stop may take is aborted. Stop returns nil.
func TestStopClosesSlowRequests(t *testing.T) {
	t.Parallel()
	reading, ended := make(chan struct{}), make(chan error, 1)
	s := start(t, func(_ http.ResponseWriter, r *http.Request) {
		close(reading)
		_, err := io.ReadAll(r.Body)
		ended <- err
	})
	dial(t, s, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
	<-reading
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.NoError(t, s.Stop(ctx))
	require.Error(t, <-ended)
}

// A client that does not read a response larger than the socket buffers must not keep a goroutine.
func TestWriteTimeoutClosesConnection(t *testing.T) {
	t.Parallel()
	require.Positive(t, httpserver.WriteTimeout)
	ended := make(chan error, 1)
	s := httpserver.New("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 64<<20))
		ended <- err
	}), zap.NewNop(), func(err error) { t.Errorf("failed: %v", err) })
	s.SetWriteTimeout(100 * time.Millisecond)
	require.NoError(t, s.Start(t.Context()))
	dial(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case err := <-ended:
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	case <-time.After(30 * time.Second):
		require.Fail(t, "the handler still waits for the client")
	}
	require.NoError(t, s.Stop(t.Context()))
}
