package sdk_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/apache/iggy/foreign/go/client/tcp"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Another process of the machine may connect to the relay before the SDK does. It gets no access to
// the server.
func TestRelayRefusesOtherProcesses(t *testing.T) {
	t.Parallel()
	ping := wire.BeginFrame(nil, 1)
	wire.EndFrame(ping, 0)
	for name, says := range map[string][]byte{
		"a ping, as the SDK does": ping,
		"something else":          []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
			require.NoError(t, err)
			stranger, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			defer func() { _ = stranger.Close() }()
			_, err = stranger.Write(says)
			require.NoError(t, err)
			client, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(ln.Addr().String()))
			require.NoError(t, err)
			_, err = sdk.Accept(t.Context(), ln, client)
			require.Error(t, err)
			require.NoError(t, client.Close())
			// The stranger is cut off.
			_, err = io.Copy(io.Discard, stranger)
			_ = err // an end or a reset
			_, err = stranger.Write(ping)
			if err == nil {
				_, err = stranger.Read(make([]byte, 1))
			}
			require.Error(t, err)
		})
	}
}

// A panic of the SDK's decoders becomes an error that contains the stack, and ends the connection.
func TestPanicOfSDKIsAnError(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = nc.Close() }()
		// A topic that is cut in its name.
		_, _ = nc.Read(make([]byte, 1000))
		answer := binary.LittleEndian.AppendUint64(nil, 51<<32)
		_, _ = nc.Write(append(answer, append(make([]byte, 50), 100)...))
		_, _ = io.Copy(io.Discard, nc)
	}()
	c, err := sdk.Dialer{}.Dial(t.Context(), ln.Addr().String(), nil)
	require.NoError(t, err)
	_, err = c.Topic(t.Context(), "s", "t")
	require.ErrorIs(t, err, iggyerr.ErrPanic)
	require.ErrorIs(t, err, iggyerr.ErrProtocol)
	var panicked *iggyerr.PanicError
	require.ErrorAs(t, err, &panicked)
	require.Contains(t, string(panicked.Stack), "DeserializeToTopic")
	<-c.Done()
	require.NoError(t, c.Close())
	require.NoError(t, ln.Close())
	<-served
}
