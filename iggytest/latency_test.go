package iggytest_test

import (
	"crypto/tls"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

const latency = 20 * time.Millisecond

// timePipelined sends n requests without waiting for answers and returns how long it takes until
// all answers are there.
func timePipelined(t *testing.T, conn *client, n int) time.Duration {
	t.Helper()
	start := time.Now()
	for range n {
		require.NoError(t, conn.request(embedded.Ping, nil))
	}
	for range n {
		status, _, err := conn.answer()
		require.NoError(t, err)
		require.Equal(t, embedded.StatusOK, status)
	}
	return time.Since(start)
}

func TestLatencyKeepsRequestsInFlight(t *testing.T) {
	t.Parallel()
	proxy := iggytest.NewProxy(t, start(t).Address())
	fault := proxy.Inject(iggytest.Latency(latency))
	conn := dial(t, proxy.Address())
	fault.Wait(1)
	const requests, roundTrip = 10, 2 * latency
	fastest := time.Hour
	for range 5 {
		took := timePipelined(t, conn, requests)
		require.GreaterOrEqual(t, took, roundTrip)
		// On a loaded machine one measurement may be slow.
		fastest = min(fastest, took)
	}
	require.Less(t, fastest, requests*roundTrip/3, "the requests wait for each other")
}

func TestLatencyWithTLS(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewTLSServer(t)
	srv.Inject(iggytest.Latency(latency))
	began := time.Now()
	conn := dialTLS(t, srv.Address(), trust(t, srv.CA()))
	require.GreaterOrEqual(t, time.Since(began), 2*latency, "the handshake is delayed too")
	require.GreaterOrEqual(t, timePipelined(t, conn, 1), 2*latency)
	_, err := tls.Dial("tcp", srv.Address(), &tls.Config{})
	require.Error(t, err, "an unknown authority")
}

// TestLatencyDelaysTheEnd expects that answers that are in flight arrive before the end of the
// connection, and that a reset loses them.
func TestLatencyDelaysTheEnd(t *testing.T) {
	t.Parallel()
	proxy := iggytest.NewProxy(t, start(t).Address())
	proxy.Inject(iggytest.Latency(latency).Times(1))
	conn := dial(t, proxy.Address())
	cut := proxy.Inject(iggytest.Cut().On(create))
	require.NoError(t, conn.request(embedded.Ping, nil))
	require.NoError(t, conn.request(create, name("stream")))
	cut.Wait(1)
	status, _, err := conn.answer()
	require.NoError(t, err)
	require.Equal(t, embedded.StatusOK, status)
	_, _, err = conn.answer()
	require.ErrorIs(t, err, io.EOF)

	longLatency := proxy.Inject(iggytest.Latency(time.Hour))
	slow := dial(t, proxy.Address())
	require.NoError(t, slow.request(embedded.Ping, nil))
	longLatency.Wait(1)
	require.Positive(t, proxy.CutConnections())
	_, _, err = slow.answer()
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// TestLatencyPassesLargeAnswers sends and polls more bytes than one chunk holds.
func TestLatencyPassesLargeAnswers(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	srv.CreateTopic(stream, topic, 1)
	srv.Inject(iggytest.Latency(time.Millisecond))
	payload := make([]byte, 3<<20)
	for i := range payload {
		payload[i] = byte(i * 7 >> 3)
	}
	require.NoError(t, send(t, connect(t, srv, nil), 0, string(payload)))
	require.Equal(t, payload, srv.Messages(stream, topic)[0].Payload)
}
