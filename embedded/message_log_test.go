package embedded_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// FuzzLog reads arbitrary bytes as a log file. When it is cut off after the last complete record,
// reading it again must give the same.
func FuzzLog(f *testing.F) {
	m := join(message(1, "payload", ""), message(2, "p", "h"))
	record := join(u32(uint32(len(m))), u64(xxh3.Hash(m)), m)
	f.Add(record)
	f.Add(join(record, record))
	f.Add(join(record, record[:20]))
	f.Fuzz(func(t *testing.T, b []byte) {
		messages, end := embedded.ReadRecords(b)
		require.LessOrEqual(t, end, int64(len(b)))
		again, same := embedded.ReadRecords(b[:end])
		require.Equal(t, end, same)
		require.Equal(t, messages, again)
	})
}

func TestTornLogRecordIsTruncated(t *testing.T) {
	t.Parallel()
	for label, tear := range map[string]func([]byte) []byte{
		"cut in a record": func(b []byte) []byte { return b[:len(b)-5] },
		"cut in a header": func(b []byte) []byte { return append(b, 1, 2, 3) },
		"flipped bit":     func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"false length": func(b []byte) []byte {
			return append(b, join(u32(1<<30), u64(1), []byte("short"))...)
		},
		"zeros": func(b []byte) []byte { return append(b, make([]byte, 4096)...) },
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			srv := startIn(t, dir)
			c := makeTopic(t, srv, 1)
			for range 2 {
				sendN(t, c, 0, 3)
				c.mustCall(t, embedded.FlushUnsavedBuffer, join(streamS, topicT, u32(0), []byte{0}))
			}
			c.mustCall(t, embedded.StoreOffset, join(single("c"), streamS, topicT, part(0), u64(5)))
			stop(t, srv)
			logs := logFiles(t, dir, ".log")
			require.Len(t, logs, 1)
			b, err := os.ReadFile(logs[0])
			require.NoError(t, err)
			whole := len(b)
			torn := tear(b)
			require.NoError(t, os.WriteFile(logs[0], torn, 0o600))

			core, seen := observer.New(zapcore.WarnLevel)
			srv = startIn(t, dir, embedded.WithLogger(zap.New(core)))
			left := 6
			if len(torn) <= whole {
				left = 3
			}
			require.Len(t, payloads(t, srv, 0), left)
			require.Equal(t, 1, seen.FilterMessage("torn record cut off").Len())
			c = dial(t, srv)
			c.login(t)
			sendN(t, c, 0, 2)
			stop(t, srv)
			core, seen = observer.New(zapcore.WarnLevel)
			srv = startIn(t, dir, embedded.WithLogger(zap.New(core)))
			require.Len(t, payloads(t, srv, 0), left+2)
			require.Zero(t, seen.FilterMessage("torn record cut off").Len())
		})
	}
}
