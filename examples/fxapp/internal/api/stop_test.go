package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// serveUntilStopped serves the handler of f with a context that stop cancels, like the
// application's server.
func serveUntilStopped(t *testing.T, f *fixture) (address string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(f.Config.Handler)
	server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	server.Start()
	t.Cleanup(server.Close) // waits for the handlers
	t.Cleanup(cancel)
	return server.Listener.Addr().String(), cancel
}

// Clients that neither send nor read must not delay the stop.
func TestStopClosesSlowCallers(t *testing.T) {
	t.Parallel()
	f := start(t)
	address, stop := serveUntilStopped(t, f)

	sender, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer func() { _ = sender.Close() }()
	// The interim response shows that the handler is reading the body.
	_, err = io.WriteString(sender, "POST /jobs HTTP/1.1\r\nHost: x\r\nX-Fetchbox-Job-Type: demo\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
	require.NoError(t, err)
	answers := bufio.NewReader(sender)
	line, err := answers.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")

	require.NoError(t, f.store.PutState(store.State{JobID: "j", JobType: "demo", Status: store.Queued, Total: 1}))
	large, err := json.Marshal(strings.Repeat("x", 1<<20))
	require.NoError(t, err)
	for offset := range uint64(20) { // more than the socket buffers hold
		require.NoError(t, f.store.AppendLog("j", store.LogEntry{Offset: offset, Entry: large}))
	}
	reader, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer func() { _ = reader.Close() }()
	_, err = io.WriteString(reader, "GET /operators/jobs/j/logs HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	_, err = reader.Read(make([]byte, 1))
	require.NoError(t, err)

	stop()
	_, err = answers.ReadString('\n') // the end of the interim response
	require.NoError(t, err)
	line, err = answers.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "400 Bad Request")
}
