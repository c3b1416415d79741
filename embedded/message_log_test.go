package embedded_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// frames is a log with a frame for each message, and where each frame ends.
func frames(messages ...[]byte) (log []byte, ends []int) {
	for i, m := range messages {
		log = embedded.AppendFrame(log, m, uint64(i))
		ends = append(ends, len(log))
	}
	return log, ends
}

// nested is a log whose messages have a part of a log as their payload.
func nested() []byte {
	inner, _ := frames(message(1, "one", ""), message(2, "two", "h"), message(3, "three", ""))
	log, _ := frames(message(1, string(inner), ""), message(2, "a", "b"), message(3, string(inner[5:]), ""), message(4, "", ""))
	return log
}

// FuzzLog reads arbitrary bytes as a log. What it takes for messages, written again, must be a log
// without damage and with the same messages.
func FuzzLog(f *testing.F) {
	log := nested()
	f.Add(log)
	f.Add(log[:len(log)-5])
	f.Add(join(log[:100], log[120:]))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		messages, damaged, end := embedded.ReadLog(b)
		total := damaged + int64(len(b)) - end
		require.LessOrEqual(t, total, int64(len(b)))
		var again []byte
		for _, m := range messages {
			total += int64(len(m))
			again = embedded.AppendFrame(again, m, offsetOf(m))
		}
		require.LessOrEqual(t, total, int64(len(b)))
		same, damaged, end := embedded.ReadLog(again)
		require.Equal(t, messages, same)
		require.Zero(t, damaged)
		require.EqualValues(t, len(again), end)
	})
}

// FuzzLogFlips changes single bytes of a log. They may cost the messages that they are in, and no
// others, also when a payload looks like a log.
func FuzzLogFlips(f *testing.F) {
	f.Add(uint32(0), byte(1), uint32(0), byte(0))
	f.Add(uint32(14), byte(0xff), uint32(700), byte(1))
	f.Fuzz(func(t *testing.T, position1 uint32, mask1 byte, position2 uint32, mask2 byte) {
		checkFlips(t, map[uint32]byte{position1: mask1, position2: mask2})
	})
}

func TestFlippedByteCostsItsMessageOnly(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for position := range uint32(len(nested())) {
		checkFlips(t, map[uint32]byte{position: byte(1 + random.IntN(255))})
		checkFlips(t, map[uint32]byte{position: byte(1 + random.IntN(255)), random.Uint32(): byte(1 + random.IntN(255))})
	}
}

func checkFlips(t *testing.T, masks map[uint32]byte) {
	t.Helper()
	log := nested()
	whole, damaged, end := embedded.ReadLog(log)
	require.Len(t, whole, 4)
	require.Zero(t, damaged)
	require.EqualValues(t, len(log), end)
	broken := bytes.Clone(log)
	for position, mask := range masks {
		broken[int(position)%len(log)] ^= mask
	}
	left, _, _ := embedded.ReadLog(broken)
	var want [][]byte
	start := 0
	for _, m := range whole {
		const header = 12
		next := start + header + len(m)
		if bytes.Equal(broken[start+header:next], log[start+header:next]) {
			want = append(want, m)
		}
		start = next
	}
	if !bytes.Equal(broken, log) && len(want) == len(whole) {
		_, damaged, end := embedded.ReadLog(broken)
		require.True(t, damaged > 0 || end < int64(len(log)), "the damage of a frame header is noticed")
	}
	require.Equal(t, want, left, "%v", masks)
}

// startSeeing starts a server on a directory and returns what it logs.
func startSeeing(t testing.TB, dir string, opts ...embedded.Option) (*embedded.Server, *observer.ObservedLogs) {
	t.Helper()
	core, seen := observer.New(zapcore.WarnLevel)
	return startIn(t, dir, append(opts, embedded.WithLogger(zap.New(core)))...), seen
}

// offsets returns the offsets of the messages of partition 0.
func offsets(t testing.TB, srv *embedded.Server) []uint64 {
	t.Helper()
	held, err := srv.Messages("s", "t", 0)
	require.NoError(t, err)
	var list []uint64
	for _, m := range held {
		list = append(list, m.Offset)
	}
	return list
}

// frameSize is the size of the frames of sendN, whose payloads are "message 0" and so on.
const frameSize = 12 + 64 + 9

func TestDamagedLogKeepsOtherMessages(t *testing.T) {
	t.Parallel()
	for label, c := range map[string]struct {
		damage func([]byte) []byte
		want   []uint64
		// next is the offset of the next message.
		next     uint64
		position int64
	}{
		"payload":               {func(b []byte) []byte { b[frameSize-1] ^= 1; return b }, []uint64{1, 2, 3, 4, 5}, 6, 0},
		"length of the payload": {func(b []byte) []byte { b[2*frameSize+12+52] ^= 1; return b }, []uint64{0, 1, 3, 4, 5}, 6, 2 * frameSize},
		"frame header":          {func(b []byte) []byte { b[3*frameSize] ^= 1; return b }, []uint64{0, 1, 2, 3, 4, 5}, 6, 3 * frameSize},
		"last message":          {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, []uint64{0, 1, 2, 3, 4}, 6, 5 * frameSize},
		"missing part":          {func(b []byte) []byte { return append(b[:frameSize+12], b[frameSize+13:]...) }, []uint64{0}, 2, frameSize},
		"another file":          {func([]byte) []byte { return []byte("no log at all, but text") }, nil, 0, 0},
		"zeros in the middle":   {func(b []byte) []byte { clear(b[10 : 2*frameSize-20]); return b }, []uint64{2, 3, 4, 5}, 6, 0},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := writeSix(t, dir)
			b, err := os.ReadFile(log)
			require.NoError(t, err)
			require.Len(t, b, 6*frameSize)
			broken := c.damage(b)
			require.NoError(t, os.WriteFile(log, broken, 0o600))

			srv, seen := startSeeing(t, dir)
			require.Equal(t, c.want, offsets(t, srv))
			entries := seen.FilterMessage("damaged log set aside, its other messages kept").All()
			require.Len(t, entries, 1)
			fields := entries[0].ContextMap()
			require.Equal(t, log, fields["file"])
			require.Equal(t, c.position, fields["position"])
			kept, err := os.ReadFile(fields["set_aside"].(string))
			require.NoError(t, err)
			require.Equal(t, broken, kept, "nothing of the damaged file is lost")

			conn := dial(t, srv)
			conn.login(t)
			if c.next == 6 { // or else the offset was lowered to the end of the log
				answer := conn.mustCall(t, embedded.GetOffset, join(single("c"), streamS, topicT, part(0)))
				require.Equal(t, join(u32(0), u64(5), u64(5)), answer)
			}
			stop(t, srv)

			srv, seen = startSeeing(t, dir)
			require.Zero(t, seen.FilterMessage("damaged log set aside, its other messages kept").Len(), "damage is logged once")
			conn = dial(t, srv)
			conn.login(t)
			sendN(t, conn, 0, 2)
			want := append(append([]uint64{}, c.want...), c.next, c.next+1)
			require.Equal(t, want, offsets(t, srv), "offsets of lost messages are not given again")
			stop(t, srv)
			srv, seen = startSeeing(t, dir)
			require.Equal(t, want, offsets(t, srv))
			require.Zero(t, seen.FilterMessage("damaged log set aside, its other messages kept").Len())
		})
	}
}

// writeSix writes six messages and the offset 5, and returns the name of the log.
func writeSix(t testing.TB, dir string) string {
	t.Helper()
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
	return logs[0]
}

func TestIncompleteWriteIsSetAside(t *testing.T) {
	t.Parallel()
	for label, c := range map[string]struct {
		tear func([]byte) []byte
		left int
	}{
		"cut in a message": {func(b []byte) []byte { return b[:len(b)-5] }, 5},
		"cut in a header":  {func(b []byte) []byte { return b[:5*frameSize+3] }, 5},
		"zeros":            {func(b []byte) []byte { return append(b, make([]byte, 4096)...) }, 6},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := writeSix(t, dir)
			b, err := os.ReadFile(log)
			require.NoError(t, err)
			torn := c.tear(b)
			require.NoError(t, os.WriteFile(log, torn, 0o600))

			srv, seen := startSeeing(t, dir)
			require.Len(t, offsets(t, srv), c.left)
			entries := seen.FilterMessage("incomplete write set aside").All()
			require.Len(t, entries, 1)
			fields := entries[0].ContextMap()
			require.EqualValues(t, c.left*frameSize, fields["position"])
			kept, err := os.ReadFile(fields["set_aside"].(string))
			require.NoError(t, err)
			require.Equal(t, torn[c.left*frameSize:], kept)

			conn := dial(t, srv)
			conn.login(t)
			sendN(t, conn, 0, 2)
			stop(t, srv)
			srv, seen = startSeeing(t, dir)
			require.Zero(t, seen.FilterMessage("incomplete write set aside").Len())
			require.Len(t, payloads(t, srv, 0), c.left+2)
		})
	}
}

// TestRepairSurvivesCrash starts on what a crash leaves at each step of the repair of a log.
func TestRepairSurvivesCrash(t *testing.T) {
	t.Parallel()
	for label, interrupt := range map[string]func(t *testing.T, log string, whole []byte){
		"while the new log is written": func(t *testing.T, log string, whole []byte) {
			require.NoError(t, os.WriteFile(log+".new", whole[:100], 0o600))
		},
		"before the new log has its name": func(t *testing.T, log string, _ []byte) {
			require.NoError(t, os.Rename(log, log+".new"))
		},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := writeSix(t, dir)
			whole, err := os.ReadFile(log)
			require.NoError(t, err)
			interrupt(t, log, whole)
			srv, seen := startSeeing(t, dir)
			require.Len(t, payloads(t, srv, 0), 6)
			require.Zero(t, seen.Len())
			require.Equal(t, []string{log}, logFiles(t, dir, ".log*"))
		})
	}
}

// failingReader can't read the bytes from 5,000 to 9,000.
type failingReader struct{ b []byte }

func (r failingReader) ReadAt(p []byte, at int64) (int, error) {
	const from, to = 5000, 9000
	if at >= from && at < to {
		return 0, os.ErrInvalid
	}
	if at < from && at+int64(len(p)) > from {
		return copy(p, r.b[at:from]), os.ErrInvalid
	}
	return bytes.NewReader(r.b).ReadAt(p, at)
}

func TestUnreadablePartOfLogIsDamage(t *testing.T) {
	t.Parallel()
	var messages [][]byte
	for i := range 200 {
		messages = append(messages, message(1, fmt.Sprintf("message %03d", i), ""))
	}
	log, ends := frames(messages...)
	b := embedded.ReadAll(failingReader{log}, int64(len(log)))
	require.Len(t, b, len(log))
	left, damaged, end := embedded.ReadLog(b)
	require.EqualValues(t, len(log), end)
	lost := 0
	for i, e := range ends {
		start := 0
		if i > 0 {
			start = ends[i-1]
		}
		if e > 5000 && start < 12288 { // the rest of the blocks of 4 KiB
			lost++
		}
	}
	require.Len(t, left, 200-lost)
	require.LessOrEqual(t, damaged, int64(12288-5000+2*len(log)/200))
	require.Len(t, embedded.ReadAll(bytes.NewReader(log[:300]), 1000), 300, "the file has become shorter")
}

func TestLogIsReadUpToItsName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := writeSix(t, dir)
	other := filepath.Join(filepath.Dir(log), "1-00000000000000000100.log")
	b, err := os.ReadFile(log)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(other, b, 0o600))
	srv, seen := startSeeing(t, dir)
	require.Equal(t, []uint64{0, 1, 2, 3, 4, 5}, offsets(t, srv), "a copy adds nothing")
	require.Equal(t, 1, seen.FilterMessage("damaged log set aside, its other messages kept").Len())
}
