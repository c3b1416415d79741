package iggytest_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// TestFaultAmongPipelinedRequests cuts a connection among requests in flight: answers to earlier
// requests arrive, and later requests do not reach the server.
func TestFaultAmongPipelinedRequests(t *testing.T) {
	t.Parallel()
	srv := start(t)
	proxy := iggytest.NewProxy(t, srv.Address())
	proxy.Inject(iggytest.Cut().AfterEffect().On(create).Skip(2).Times(1))
	conn := dial(t, proxy.Address()).login(t)
	streams := []string{"one", "two", "three", "four", "five"}
	for _, s := range streams {
		require.NoError(t, conn.request(create, name(s)))
	}
	for range 2 {
		status, _, err := conn.answer()
		require.NoError(t, err)
		require.Equal(t, embedded.StatusOK, status)
	}
	_, _, err := conn.answer()
	require.ErrorIs(t, err, io.EOF)
	for i, s := range streams {
		require.Equal(t, i < 3, exists(t, srv, s), s)
	}
}

// TestClientThatLeavesBeforeItsAnswer expects that no connection to the server stays behind.
func TestClientThatLeavesBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]iggytest.Fault{"garbage": iggytest.Garbage(), "answer": iggytest.Answer(embedded.StatusUnauthorized)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := iggytest.NewProxy(t, start(t).Address())
			conn := dial(t, proxy.Address()).login(t)
			proxy.Inject(iggytest.Do(func(iggytest.Request) {
				_ = conn.Conn.(*net.TCPConn).SetLinger(0) // the relay's next write fails
				_ = conn.Close()
			}).On(embedded.Ping))
			injected := proxy.Inject(fault.On(embedded.Ping))
			require.NoError(t, conn.request(embedded.Ping, nil))
			injected.Wait(1)
			require.Eventually(t, func() bool { return proxy.Connections() == 0 }, 30*time.Second, time.Millisecond)
		})
	}
}

func TestConnectionsWithoutServerAreReset(t *testing.T) {
	t.Parallel()
	srv := start(t)
	proxy := iggytest.NewProxy(t, srv.Address())
	conn := dial(t, proxy.Address()).login(t)
	srv.Crash()
	_, _, err := conn.answer()
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	nc, err := net.Dial("tcp", proxy.Address())
	if err == nil {
		_, err = nc.Read(make([]byte, 1))
		_ = nc.Close()
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// TestPassesTLS expects that TLS up to the server passes unchanged.
func TestPassesTLS(t *testing.T) {
	t.Parallel()
	config, ca, err := embedded.SelfSigned()
	require.NoError(t, err)
	srv := start(t, embedded.WithTLS(config))
	proxy := iggytest.NewProxy(t, srv.Address())
	conn := dialTLS(t, proxy.Address(), trust(t, ca))
	require.Equal(t, embedded.StatusOK, conn.login(t).status(t, create, name("stream")))
	require.Equal(t, 1, proxy.CutConnections())
	_, _, err = conn.answer()
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// TestBytesThatAreNoRequestsPassUnchanged sends frames with false lengths and incomplete ones.
func TestBytesThatAreNoRequestsPassUnchanged(t *testing.T) {
	t.Parallel()
	for label, sent := range map[string][]byte{
		"a short length": {1, 0, 0, 0, 1, 0, 0, 0}, "half a head": {4, 0}, "a long length": {0xff, 0xff, 0xff, 0x7f, 202, 0, 0, 0, 1},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer func() { _ = l.Close() }()
			conn := dial(t, iggytest.NewProxy(t, l.Addr().String()).Address())
			server, err := l.Accept()
			require.NoError(t, err)
			defer func() { _ = server.Close() }()
			_, err = conn.Write(sent)
			require.NoError(t, err)
			require.NoError(t, conn.Conn.(*net.TCPConn).CloseWrite())
			got, err := io.ReadAll(server)
			require.NoError(t, err)
			require.Equal(t, sent, got)
			// Answers without a request pass too.
			_, err = server.Write(binary.LittleEndian.AppendUint64(nil, 1))
			require.NoError(t, err)
			require.NoError(t, server.Close())
		})
	}
}
