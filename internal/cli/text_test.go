package cli_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Names of the server and texts of messages move no cursor and set no title or colour: neither in
// the output nor in an error.
func TestForeignTextControlsNoTerminal(t *testing.T) {
	t.Parallel()
	const hostile = "a\x1b[2J\x1b]0;title\x07\u009b7m\u202eb"
	const eightBit = "\x9b2J" // a control sequence of terminals that don't use UTF-8
	s := newSystem(t)
	s.run("provision", "shop/orders", "--yes").ok(t)
	s.run("provision", hostile+"/"+hostile, "--group", hostile, "--yes").ok(t)
	conn := connectNative(t, s.Server)
	for _, headers := range [][]byte{
		wire.AppendHeader(nil, "message-type", hostile),
		wire.AppendHeader(nil, "content-encoding", hostile),
		wire.AppendHeader(nil, hostile, hostile),
		wire.AppendHeader(nil, eightBit, eightBit),
	} {
		for _, at := range [][2]string{{"shop", "orders"}, {hostile, hostile}} {
			var batch wire.Batch
			batch.Append([16]byte{1}, 1, []byte(hostile), headers)
			require.NoError(t, conn.Send(t.Context(), at[0], at[1], 0, &batch))
		}
	}
	s.log("job"+hostile, hostile)
	controls := func(text string) string {
		return strings.Map(func(r rune) rune {
			if r == '\n' || unicode.IsPrint(r) {
				return -1
			}
			return r
		}, text)
	}
	for _, args := range [][]string{
		{"topics"},
		{"topics", hostile + "/" + hostile},
		{"topics", hostile + "/nope"},
		{"groups"},
		{"lag", "--all"},
		{"tail", "shop/orders", "-o", "text"},
		{"tail", hostile + "/" + hostile, "-o", "text"},
		{"tail", "shop/orders", "--payload", "protobuf", "-o", "text"},
		{"tail-logs", "-o", "text"},
		{"doctor"},
		{"tail-logs", "--job-id", hostile},
		{"provision", hostile + "/" + hostile, "--partitions", "7", "--dry-run"},
	} {
		r := s.run(args...)
		require.Empty(t, controls(r.out), "%q: %q", args, r.out)
		require.Empty(t, controls(r.err), "%q: %q", args, r.err)
		require.True(t, utf8.ValidString(r.out+r.err), "%q: %q", args, r.out+r.err)
		require.NotEmpty(t, r.out+r.err, args)
	}
	require.Contains(t, s.run("tail", "shop/orders", "-o", "text").ok(t), `\x9b2J=\x9b2J`)
}
