package transport_test

import (
	"encoding/binary"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func answerHeader(status, length uint32) (h [transport.AnswerHeaderSize]byte) {
	binary.LittleEndian.PutUint32(h[:], status)
	binary.LittleEndian.PutUint32(h[4:], length)
	return h
}

func TestParseAnswerHeader(t *testing.T) {
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
		status, length, err := transport.ParseAnswerHeader(answerHeader(tt.status, tt.length))
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

func TestDescribeForeign(t *testing.T) {
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
		require.Contains(t, transport.DescribeForeign([]byte(said)), want)
	}
	require.Less(t, len(transport.DescribeForeign([]byte(strings.Repeat("a", 99)))), 99)
}

func TestReadError(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, transport.ReadError(io.EOF, nil, false), io.EOF)
	require.ErrorContains(t, transport.ReadError(io.EOF, nil, true), "before the first answer")
	require.ErrorContains(t, transport.ReadError(io.ErrUnexpectedEOF, nil, false), "closed by the server")
	require.ErrorIs(t, transport.ReadError(io.EOF, []byte{0x15, 3, 1}, true), iggyerr.ErrProtocol)
	require.Equal(t, os.ErrDeadlineExceeded, transport.ReadError(os.ErrDeadlineExceeded, nil, true))
}
