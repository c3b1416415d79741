package transport_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func head(status, length uint32) (h [transport.AnswerHeadSize]byte) {
	binary.LittleEndian.PutUint32(h[:], status)
	binary.LittleEndian.PutUint32(h[4:], length)
	return h
}

func TestParseAnswerHead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status, length uint32
		ok             bool
	}{
		{0, 0, true},
		{0, 300 << 20, true},
		{0, 1<<32 - 1, false},
		{3022, 0, true},
		{13000, 0, true},
		{13000, 1, false},
		{1 << 20, 0, false},
	} {
		status, length, err := transport.ParseAnswerHead(head(tt.status, tt.length))
		if !tt.ok {
			require.ErrorIs(t, err, iggyerr.ErrProtocol, "%+v", tt)
			require.ErrorContains(t, err, "0.8")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, iggyerr.Status(tt.status), status)
		require.Equal(t, tt.length, length)
	}
}

func TestForeign(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"HTTP/1.0":              "HTTP",
		"SSH-2.0-":              "SSH",
		"\x15\x03\x03\x00\x02":  "TLS",
		"\x16\x03\x01":          "TLS",
		"other":                 "6f 74 68 65 72",
		"":                      "with the bytes",
		strings.Repeat("a", 99): "61 61",
	} {
		require.Contains(t, transport.Foreign([]byte(said)), want)
	}
	require.Less(t, len(transport.Foreign([]byte(strings.Repeat("a", 99)))), 99)
}

func TestReadError(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, transport.ReadError(io.EOF, nil, false), io.EOF)
	require.ErrorContains(t, transport.ReadError(io.EOF, nil, true), "before the first answer")
	require.ErrorContains(t, transport.ReadError(io.ErrUnexpectedEOF, nil, false), "closed by the server")
	require.ErrorIs(t, transport.ReadError(io.EOF, []byte{0x15, 3, 1}, true), iggyerr.ErrProtocol)
	require.Equal(t, os.ErrDeadlineExceeded, transport.ReadError(os.ErrDeadlineExceeded, nil, true))
}

func TestCheckCredentials(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("s", 256)
	for _, bad := range []transport.Credentials{
		{}, {Username: "u"}, {Password: "p"}, {Username: long, Password: "p"}, {Username: "u", Password: long}, {Token: long},
	} {
		err := transport.CheckCredentials(bad)
		require.ErrorIs(t, err, iggyerr.ErrCredentials)
		require.NotContains(t, err.Error(), long)
	}
	require.NoError(t, transport.CheckCredentials(transport.Credentials{Username: "u", Password: "p"}))
	require.NoError(t, transport.CheckCredentials(transport.Credentials{Token: long[1:]}))
}

func TestEndOf(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	require.Equal(t, broken, transport.EndOf(t.Context(), broken))
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	require.Equal(t, cause, transport.EndOf(ctx, broken))
	// A socket whose deadline is the context's may be a moment ahead of it.
	deadline := time.Now().Add(time.Millisecond)
	ctx, stop := context.WithDeadlineCause(t.Context(), deadline, cause)
	defer stop()
	for time.Now().Before(deadline) {
		require.Equal(t, broken, transport.EndOf(t.Context(), broken))
	}
	require.Equal(t, cause, transport.EndOf(ctx, os.ErrDeadlineExceeded))
}

func TestObjects(t *testing.T) {
	t.Parallel()
	require.Equal(t, "s/t", transport.ObjectTopic("s", "t"))
	require.Equal(t, "s/t/3", transport.ObjectPartition("s", "t", 3))
	require.Equal(t, "s/t group g", transport.Group{Stream: "s", Topic: "t", Name: "g"}.String())
	require.Equal(t, "s/t/0 group g", transport.Consumer{Stream: "s", Topic: "t", Name: "g", Group: true}.Object(0))
	require.Equal(t, "s/t consumer c", transport.Consumer{Stream: "s", Topic: "t", Name: "c"}.Object(transport.AnyPartition))
}
