package sdk_test

import (
	"context"
	"errors"
	"testing"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

func TestControlRefusesOtherTransports(t *testing.T) {
	t.Parallel()
	var other struct{ transport.Conn }
	err := sdk.Control(t.Context(), other, "op", "", func(*tcp.IggyTcpClient) error { panic("called") })
	require.ErrorIs(t, err, sdk.ErrNotSDK)
}

func TestControl(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	conn, err := sdk.Dialer{}.Dial(t.Context(), server.Address(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	require.NoError(t, conn.Login(t.Context(), transport.Credentials{Username: iggytest.Username, Password: iggytest.Password}))

	read := func(ctx context.Context) error {
		return sdk.Control(ctx, conn, "read stream", "shop", func(c *tcp.IggyTcpClient) error {
			_, err := c.GetStream(iggcon.Identifier{Kind: iggcon.StringId, Length: 4, Value: []byte("shop")})
			return err
		})
	}
	var status *iggyerr.StatusError
	require.ErrorAs(t, read(t.Context()), &status)
	require.Equal(t, iggyerr.StatusError{Op: "read stream", Object: "shop", Status: iggyerr.StatusStreamNotFound}, *status)
	require.NoError(t, conn.Err(), "a refusal leaves the connection in step")

	// The context ends the SDK's call, which knows none, and the connection.
	stall := server.Inject(iggytest.Silence().On(embedded.GetStream))
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- read(ctx) }()
	stall.Wait(1)
	cancel(gone)
	require.ErrorIs(t, <-done, gone)
	<-conn.Done()
}
