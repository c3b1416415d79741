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
	s := httpserver.New("127.0.0.1:0", 100, handler, zap.NewNop(), func(err error) { t.Errorf("failed: %v", err) })
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
	s := httpserver.New("127.0.0.1:0", 100, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
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

// More connections than the limit wait while all have requests.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	began, end := make(chan struct{}, 10), make(chan struct{})
	s := httpserver.New("127.0.0.1:0", 2, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		began <- struct{}{}
		<-end
	}), zap.NewNop(), func(err error) { t.Errorf("failed: %v", err) })
	require.NoError(t, s.Start(t.Context()))
	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for range 2 {
		dial(t, s, request)
		<-began
	}
	third := dial(t, s, request)
	select {
	case <-began:
		require.Fail(t, "a third connection has a request")
	case <-time.After(50 * time.Millisecond):
	}
	close(end)
	requireOK(t, third)
	require.NoError(t, s.Stop(t.Context()))
}

// Connections without a request, new ones and those that are kept alive, do not keep others out.
func TestConnectionsWithoutRequestsGiveWay(t *testing.T) {
	t.Parallel()
	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, first := range map[string]string{"new": "", "kept alive": request, "unfinished": "GET / HTTP/1.1\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httpserver.New("127.0.0.1:0", 3, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), zap.NewNop(), func(err error) { t.Errorf("failed: %v", err) })
			require.NoError(t, s.Start(t.Context()))
			for range 10 {
				c := dial(t, s, first)
				if first == request {
					requireOK(t, c)
				}
			}
			began := time.Now()
			last := dial(t, s, request)
			requireOK(t, last)
			require.Less(t, time.Since(began), 8*time.Second, "the others have 10 seconds for their headers")
			require.NoError(t, s.Stop(t.Context()))
		})
	}
}

// requireOK reads a response.
func requireOK(t *testing.T, c net.Conn) {
	t.Helper()
	answer := make([]byte, len("HTTP/1.1 200"))
	_, err := io.ReadFull(c, answer)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200", string(answer))
}

func TestOnLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{"127.0.0.1:0": true, "localhost:0": true, "0.0.0.0:0": false, ":0": false} {
		s := httpserver.New(address, 1, http.NotFoundHandler(), zap.NewNop(), func(err error) { t.Errorf("failed: %v", err) })
		require.NoError(t, s.Start(t.Context()))
		require.Equal(t, want, s.OnLoopback(), address)
		response, err := http.Get(s.URL())
		require.NoError(t, err, "the URL can be opened")
		require.NoError(t, response.Body.Close())
		require.NoError(t, s.Stop(t.Context()))
	}
}
