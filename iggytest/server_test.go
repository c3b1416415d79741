package iggytest_test

import (
	"crypto/tls"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

const (
	stream = "shop"
	topic  = "orders"
	group  = "packers"
)

func connect(t *testing.T, srv *iggytest.Server, config *tls.Config) transport.Conn {
	t.Helper()
	conn, err := sdk.Dialer{}.Dial(t.Context(), srv.Address(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.Login(t.Context(), transport.Credentials{Username: iggytest.Username, Password: iggytest.Password}))
	return conn
}

func send(t *testing.T, conn transport.Conn, partition uint32, payloads ...string) error {
	t.Helper()
	var batch wire.Batch
	for i, p := range payloads {
		batch.Append([16]byte{byte(i + 1)}, 1, []byte(p), nil)
	}
	return conn.Send(t.Context(), stream, topic, partition, &batch)
}

func TestSendWithLostAnswer(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	srv.CreateTopic(stream, topic, 1)
	lost := srv.Inject(iggytest.Cut().AfterEffect().On(embedded.SendMessages).Times(1))
	err := send(t, connect(t, srv, nil), 0, "stored")
	var broken *iggyerr.ConnError
	require.ErrorAs(t, err, &broken)
	require.True(t, broken.Sent)
	lost.Wait(1)
	require.Len(t, srv.Messages(stream, topic), 1)
}

// TestCrashBetweenEffectAndAnswer crashes the server after it has stored a message and before it
// answers.
func TestCrashBetweenEffectAndAnswer(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	srv.CreateTopic(stream, topic, 1)
	crash := srv.Inject(iggytest.Do(func(iggytest.Request) { srv.Crash() }).AfterEffect().On(embedded.SendMessages).Times(1))
	conn := connect(t, srv, nil)
	require.Error(t, send(t, conn, 0, "lost"))
	crash.Wait(1)
	<-conn.Done()
	_, err := net.Dial("tcp", srv.Address())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)

	endpoint := srv.Address()
	srv.Start()
	require.Equal(t, endpoint, srv.Address())
	require.Empty(t, srv.Messages(stream, topic), "memory is gone")
	srv.CreateTopic(stream, topic, 1)
	require.NoError(t, send(t, connect(t, srv, nil), 0, "kept"))
	srv.Stop()
	srv.Start()
	require.NoError(t, connect(t, srv, nil).Ping(t.Context()))
}

func TestTLSServer(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewTLSServer(t)
	srv.CreateTopic(stream, topic, 1)
	conn := connect(t, srv, trust(t, srv.CA()))
	require.NoError(t, send(t, conn, 0, "one"))
	// Faults apply inside of TLS too.
	srv.Inject(iggytest.Cut().AfterEffect().On(embedded.SendMessages))
	require.Error(t, send(t, conn, 0, "two"))
	require.Len(t, srv.Messages(stream, topic), 2)
	_, err := sdk.Dialer{}.Dial(t.Context(), srv.Address(), &tls.Config{})
	require.Error(t, err, "an unknown authority")
	require.Nil(t, iggytest.NewServer(t).CA())
}

func TestServerWithOptions(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t, embedded.WithCredentials("someone", "else"))
	conn, err := sdk.Dialer{}.Dial(t.Context(), srv.Address(), nil)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.ErrorIs(t, conn.Login(t.Context(), transport.Credentials{Username: "iggy", Password: "iggy"}), iggyerr.ErrCredentials)
	require.NoError(t, conn.Login(t.Context(), transport.Credentials{Username: "someone", Password: "else"}))
}
