package embedded_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// startIn starts a server in a directory; the test stops or crashes it itself.
func startIn(t testing.TB, dir string, opts ...embedded.Option) *embedded.Server {
	t.Helper()
	srv, err := embedded.Start(append([]embedded.Option{embedded.WithDirectory(dir)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(srv.Crash)
	return srv
}

func stop(t testing.TB, srv *embedded.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	require.NoError(t, srv.Stop(ctx))
}

func makeTopic(t testing.TB, srv *embedded.Server, partitions uint32) *testConn {
	t.Helper()
	c := dial(t, srv)
	c.login(t)
	c.mustCall(t, embedded.CreateStream, name("s"))
	c.mustCall(t, embedded.CreateTopic, topicBody(ident("s"), partitions, 1, 0, 0, 0, "t"))
	c.mustCall(t, embedded.CreateGroup, join(ident("s"), ident("t"), name("g")))
	return c
}

var (
	streamS = ident("s")
	topicT  = ident("t")
	groupG  = join(streamS, topicT, ident("g"))
)

func sendN(t testing.TB, c *testConn, partition uint32, n int) {
	t.Helper()
	messages := make([][]byte, n)
	for i := range messages {
		messages[i] = message(uint64(i+1), fmt.Sprintf("message %d", i), "")
	}
	c.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, toPartition(partition), messages...))
}

func payloads(t testing.TB, srv *embedded.Server, partition uint32) []string {
	t.Helper()
	held, err := srv.Messages("s", "t", partition)
	require.NoError(t, err)
	list := make([]string, len(held))
	for i, m := range held {
		list[i] = string(m.Payload)
		if i > 0 {
			require.Equal(t, held[i-1].Offset+1, m.Offset)
		}
	}
	return list
}

func TestStopLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir)
	c := makeTopic(t, srv, 2)
	c.mustCall(t, embedded.CreateStream, name("gone"))
	c.mustCall(t, embedded.DeleteStream, ident("gone"))
	sendN(t, c, 0, 3)
	sendN(t, c, 0, 2)
	c.mustCall(t, embedded.JoinGroup, groupG)
	c.mustCall(t, embedded.StoreOffset, join(grouped("g"), streamS, topicT, part(0), u64(3)))
	c.mustCall(t, embedded.StoreOffset, join(single("c"), streamS, topicT, part(0), u64(1)))
	c.mustCall(t, embedded.CreateUser, join(name("ann"), name("secret"), []byte{1, 1}, u32(11), []byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}))
	token := c.mustCall(t, embedded.CreateToken, join(name("token"), u64(0)))
	before := c.mustCall(t, embedded.GetTopic, join(streamS, topicT))
	users := c.mustCall(t, embedded.GetUsers, nil)
	user := c.mustCall(t, embedded.GetUser, ident("ann"))
	held, err := srv.Messages("s", "t", 0)
	require.NoError(t, err)
	stop(t, srv)

	srv = startIn(t, dir)
	c = dial(t, srv)
	c.mustCall(t, embedded.LoginWithToken, token)
	// Expiry and size limit, asked for as the server's defaults, are shown as 0 after a restart, as
	// by the real server.
	clear(before[16:24])
	clear(before[25:33])
	require.Equal(t, before, c.mustCall(t, embedded.GetTopic, join(streamS, topicT)))
	require.Equal(t, users, c.mustCall(t, embedded.GetUsers, nil))
	require.Equal(t, user, c.mustCall(t, embedded.GetUser, ident("ann")))
	again, err := srv.Messages("s", "t", 0)
	require.NoError(t, err)
	require.Equal(t, held, again)
	offset, ok, err := srv.StoredOffset("s", "t", "g", 0)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 3, offset)
	offset, ok, err = srv.StoredConsumerOffset("s", "t", "c", 0)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 1, offset)
	members, err := srv.GroupMembers("s", "t", "g")
	require.NoError(t, err)
	require.Empty(t, members, "membership lives in memory")
	created := c.mustCall(t, embedded.CreateStream, name("reborn"))
	require.Equal(t, u32(1), created[:4], "the freed number is given again")
	sendN(t, c, 0, 1)
	require.Len(t, payloads(t, srv, 0), 6)
	dial(t, srv).mustCall(t, embedded.LoginUser, loginBody("ann", "secret"))
}

// TestCrashLosesWhatWasNotWritten follows what kill -9 did to the real server with default
// settings: 500 confirmed messages were gone and the stored offset came back as 0.
func TestCrashLosesWhatWasNotWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir)
	c := makeTopic(t, srv, 1)
	sendN(t, c, 0, 500)
	who := single("c")
	c.mustCall(t, embedded.StoreOffset, join(who, streamS, topicT, part(0), u64(499)))
	srv.Crash()

	srv = startIn(t, dir)
	require.Empty(t, payloads(t, srv, 0))
	c = dial(t, srv)
	c.login(t)
	answer := c.mustCall(t, embedded.GetOffset, join(who, streamS, topicT, part(0)))
	require.Equal(t, join(u32(0), u64(0), u64(0)), answer)
	sendN(t, c, 0, 1)
	answer = c.mustCall(t, embedded.PollMessages, pollBody(who, streamS, topicT, 0, 5, 0, 10, 0))
	require.Equal(t, join(u32(0), u64(0), u32(0)), answer, "what comes first after the crash is skipped, without an error")
}

func TestCrashKeepsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for label, write := range map[string]func(*testing.T, *testConn){
		"by number": func(t *testing.T, c *testConn) { sendN(t, c, 0, 1024) },
		"by size": func(t *testing.T, c *testConn) {
			big := message(1, strings.Repeat("x", 1<<20), "")
			c.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, toPartition(0), big))
		},
		"by request": func(t *testing.T, c *testConn) {
			sendN(t, c, 0, 3)
			c.mustCall(t, embedded.FlushUnsavedBuffer, join(streamS, topicT, u32(0), []byte{1}))
		},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			srv := startIn(t, dir)
			c := makeTopic(t, srv, 1)
			write(t, c)
			want := payloads(t, srv, 0)
			sendN(t, c, 0, 7)
			srv.Crash()
			require.Equal(t, want, payloads(t, startIn(t, dir), 0))
		})
	}
}

func logFiles(t testing.TB, dir, suffix string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "partitions", "*"+suffix))
	require.NoError(t, err)
	return files
}

func TestTornLogRecordIsTruncated(t *testing.T) {
	t.Parallel()
	for label, tear := range map[string]func([]byte) []byte{
		"cut in a record": func(b []byte) []byte { return b[:len(b)-5] },
		"cut in a header": func(b []byte) []byte { return append(b, 1, 2, 3) },
		"flipped bit":     func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"length that lies": func(b []byte) []byte {
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

func TestTornOffsetRecordIsTruncated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir)
	c := makeTopic(t, srv, 1)
	sendN(t, c, 0, 3)
	for offset := range uint64(2) {
		c.mustCall(t, embedded.StoreOffset, join(single("c"), streamS, topicT, part(0), u64(offset)))
	}
	stop(t, srv)
	files := logFiles(t, dir, ".offsets")
	require.Len(t, files, 1)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files[0], b[:len(b)-1], 0o600))
	core, seen := observer.New(zapcore.WarnLevel)
	srv = startIn(t, dir, embedded.WithLogger(zap.New(core)))
	require.Equal(t, 1, seen.FilterMessage("torn record cut off").Len())
	offset, ok, err := srv.StoredConsumerOffset("s", "t", "c", 0)
	require.NoError(t, err)
	require.True(t, ok)
	require.Zero(t, offset)
}

func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir)
	_, err := embedded.Start(embedded.WithDirectory(dir))
	require.ErrorContains(t, err, dir)
	stop(t, srv)
	startIn(t, dir)
}

func TestInvalidStateIsRefused(t *testing.T) {
	t.Parallel()
	for label, state := range map[string]string{
		"no json":        "{",
		"version":        `{"version": 7}`,
		"stream number":  `{"version": 1, "streams": [{"id": 4294967295, "name": "s"}]}`,
		"same number":    `{"version": 1, "streams": [{"id": 1, "name": "s"}, {"id": 1, "name": "t"}]}`,
		"permissions":    `{"version": 1, "users": [{"id": 0, "name": "iggy", "permissions": "AQE="}]}`,
		"user number":    `{"version": 1, "users": [{"id": 4294967295, "name": "iggy"}]}`,
		"topic number":   `{"version": 1, "streams": [{"id": 0, "name": "s", "topics": [{"id": 4294967295}]}]}`,
		"group number":   `{"version": 1, "streams": [{"id": 0, "name": "s", "topics": [{"id": 0, "groups": [{"id": 4294967295}]}]}]}`,
		"wrong type":     `{"version": "1"}`,
		"not the object": `[]`,
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "state.json"), []byte(state), 0o600))
			_, err := embedded.Start(embedded.WithDirectory(dir))
			require.ErrorContains(t, err, "state")
			_, err = embedded.Start(embedded.WithDirectory(dir))
			require.ErrorContains(t, err, "state", "the lock was released")
		})
	}
}

func TestDeleteAndPurgeRemoveFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir)
	c := makeTopic(t, srv, 3)
	fill := func() {
		for p := range uint32(3) {
			sendN(t, c, p, 1024)
			c.mustCall(t, embedded.StoreOffset, join(single("c"), streamS, topicT, part(int(p)), u64(5)))
		}
	}
	fill()
	require.Len(t, logFiles(t, dir, ".log"), 3)
	c.mustCall(t, embedded.PurgeTopic, join(streamS, topicT))
	require.Empty(t, logFiles(t, dir, "*"))
	fill()
	c.mustCall(t, embedded.DeletePartitions, join(streamS, topicT, u32(1)))
	require.Len(t, logFiles(t, dir, ".log"), 2)
	c.mustCall(t, embedded.DeleteTopic, join(streamS, topicT))
	require.Empty(t, logFiles(t, dir, "*"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "partitions", "99-00000000000000000000.log"), nil, 0o600))
	stop(t, srv)
	srv = startIn(t, dir)
	require.Empty(t, logFiles(t, dir, "*"), "leftovers of a deletion that a crash interrupted are deleted at start")
	c = dial(t, srv)
	c.login(t)
	require.Empty(t, c.mustCall(t, embedded.GetTopics, streamS))
}

// TestRestartsKeepWhatAModelKeeps does random things to a server and to a model of it, with clean
// stops and crashes.
func TestRestartsMatchModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "model")
		require.NoError(t, err)
		srv := startIn(t, dir)
		c := makeTopic(t, srv, 1)
		// all is what was sent, saved how much of it was written.
		var all []string
		saved, stored, shown := 0, -1, -1
		// started is what happens to the stored offset at a start: it is moved back to the end, but
		// not for good.
		started := func() {
			if shown = stored; stored >= 0 {
				shown = max(min(stored, len(all)-1), 0)
			}
		}
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"send", "send", "send", "commit", "flush", "stop", "crash"}).Draw(rt, "step") {
			case "send":
				n := rapid.SampledFrom([]int{1, 2, 30, 1100}).Draw(rt, "messages")
				sendN(t, c, 0, n)
				for i := range n {
					all = append(all, fmt.Sprintf("message %d", i))
				}
				if len(all)-saved >= 1024 {
					saved = len(all)
				}
			case "commit":
				if len(all) > 0 {
					stored = rapid.IntRange(0, len(all)-1).Draw(rt, "offset")
					shown = stored
					c.mustCall(t, embedded.StoreOffset, join(single("c"), streamS, topicT, part(0), u64(uint64(stored))))
				}
			case "flush":
				c.mustCall(t, embedded.FlushUnsavedBuffer, join(streamS, topicT, u32(0), []byte{0}))
				saved = len(all)
			case "stop":
				stop(t, srv)
				saved = len(all)
				started()
				srv = startIn(t, dir)
				c = dial(t, srv)
				c.login(t)
			case "crash":
				srv.Crash()
				all = all[:saved]
				started()
				srv = startIn(t, dir)
				c = dial(t, srv)
				c.login(t)
			}
		}
		require.Equal(t, append([]string{}, all...), payloads(t, srv, 0))
		offset, ok, err := srv.StoredConsumerOffset("s", "t", "c", 0)
		require.NoError(t, err)
		require.Equal(t, shown >= 0, ok)
		if ok {
			require.EqualValues(t, shown, offset)
		}
		srv.Crash()
	})
}

// TestOffsetsSurviveADiskThatFails takes the directory away while offsets are stored, as a full
// disk would.
func TestOffsetsSurviveFailingDisk(t *testing.T) {
	t.Parallel()
	for label, back := range map[string]bool{"comes back": true, "stays away": false} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			srv := startIn(t, dir)
			c := makeTopic(t, srv, 1)
			sendN(t, c, 0, 3)
			c.mustCall(t, embedded.FlushUnsavedBuffer, join(streamS, topicT, u32(0), []byte{0}))
			partitions, away := filepath.Join(dir, "partitions"), filepath.Join(dir, "away")
			require.NoError(t, os.Rename(partitions, away))
			c.mustCall(t, embedded.StoreOffset, join(single("c"), streamS, topicT, part(0), u64(2)))
			if !back {
				require.ErrorContains(t, srv.Stop(t.Context()), ".offsets", "what was confirmed is lost, so Stop must say so")
				return
			}
			require.NoError(t, os.Rename(away, partitions))
			stop(t, srv)
			srv = startIn(t, dir)
			offset, ok, err := srv.StoredConsumerOffset("s", "t", "c", 0)
			require.NoError(t, err)
			require.True(t, ok)
			require.EqualValues(t, 2, offset)
		})
	}
}
