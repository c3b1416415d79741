package embedded_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// startIn starts a server with a directory. The test stops or crashes it.
func startIn(t testing.TB, dir string, opts ...embedded.Option) *embedded.Server {
	t.Helper()
	srv, err := embedded.Start(append([]embedded.Option{embedded.WithDirectory(dir)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(srv.Crash)
	return srv
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
	// After a restart, the default expiry and size limit are shown as 0, as on the real server.
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
	created := c.mustCall(t, embedded.CreateStream, name("reused"))
	require.Equal(t, u32(1), created[:4], "the freed number is given again")
	sendN(t, c, 0, 1)
	require.Len(t, payloads(t, srv, 0), 6)
	dial(t, srv).mustCall(t, embedded.LoginUser, loginBody("ann", "secret"))
}

// TestCrashLosesWhatWasNotWritten expects what kill -9 did to the real server with default
// settings: 500 confirmed messages were lost and the stored offset became 0.
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

func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := startIn(t, dir)
	_, err := embedded.Start(embedded.WithDirectory(dir))
	require.EqualError(t, err, "embedded: directory "+dir+" is in use by another server")
	stop(t, srv)
	startIn(t, dir)
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
	require.NoError(t, os.WriteFile(filepath.Join(dir, "partitions", "3-00000000000000000000.log"), nil, 0o600))
	stop(t, srv)
	srv = startIn(t, dir)
	require.Empty(t, logFiles(t, dir, "*"), "leftovers of a deletion that a crash interrupted are deleted at start")
	c = dial(t, srv)
	c.login(t)
	require.Empty(t, c.mustCall(t, embedded.GetTopics, streamS))
}

// TestRestartsMatchModel runs random operations on a server and on a model of it, with stops and
// crashes.
func TestRestartsMatchModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "model")
		require.NoError(t, err)
		srv := startIn(t, dir)
		c := makeTopic(t, srv, 1)
		// all is what was sent. saved is how much of it is written.
		var all []string
		saved, stored, shown := 0, -1, -1
		// started lowers the stored offset to the end of the log, as a start does until another
		// offset is stored.
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
