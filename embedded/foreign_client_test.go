package embedded_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// foreignRequest is a request of a client of Iggy 0.9 or later, with this body.
func foreignRequest(body string) []byte {
	b := append(make([]byte, 256), body...)
	binary.LittleEndian.PutUint32(b[48:], uint32(len(b)))
	b[60], b[128], b[176] = 5, 1, 1
	return b
}

func TestForeignClientIsNamedInTheLog(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		request []byte
		logged  int
	}{
		"register":        {foreignRequest(""), 1},
		"with a body":     {foreignRequest("\x00\x2c\x00\x00\x04rust\x050.9.0"), 1},
		"a probe of ours": {foreignRequest("\x00\x00\x00\x00\x11iggy-client-probe\x030.8"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, logs := observer.New(zap.WarnLevel)
			srv, err := embedded.Start(embedded.WithLogger(zap.New(core)))
			require.NoError(t, err)
			defer srv.Crash()
			for range 3 {
				nc, err := net.Dial("tcp", srv.Address())
				require.NoError(t, err)
				require.NoError(t, nc.SetDeadline(time.Now().Add(30*time.Second)))
				_, err = nc.Write(tt.request)
				require.NoError(t, err)
				// The server may reset the connection, since it leaves the request unread.
				got, _ := io.ReadAll(nc)
				require.Empty(t, got)
				require.NoError(t, nc.Close())
			}
			found := logs.FilterMessageSnippet("protocol of Iggy 0.9 or later").All()
			require.Len(t, found, tt.logged, "clients that connect again are logged once a minute")
		})
	}
}

func TestEmptyFramesAreRefusedByStatus(t *testing.T) {
	t.Parallel()
	srv, err := embedded.Start()
	require.NoError(t, err)
	defer srv.Crash()
	nc, err := net.Dial("tcp", srv.Address())
	require.NoError(t, err)
	defer func() { _ = nc.Close() }()
	require.NoError(t, nc.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = nc.Write(make([]byte, 64))
	require.NoError(t, err)
	got := make([]byte, 64)
	_, err = io.ReadFull(nc, got)
	require.NoError(t, err)
	require.EqualValues(t, embedded.StatusInvalidCommand, binary.LittleEndian.Uint32(got))
}
