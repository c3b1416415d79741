package embedded_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// TestRestartTranscript stops and crashes a server with a directory. The transcript is that of the
// real server for the same steps with SIGTERM and SIGKILL.
func TestRestartTranscript(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(transcriptFile("restart"))
	require.NoError(t, err)
	dir := t.TempDir()
	var srv *embedded.Server
	var lines []string
	var s *script
	open := func() {
		srv = startIn(t, dir)
		s = &script{t: t, target: target{srv.Address(), embedded.DefaultUsername, embedded.DefaultPassword}, prefix: scriptPrefix}
		s.admin = s.login("admin")
	}
	restart := func(kill bool) {
		lines = append(lines, s.lines...)
		if kill {
			srv.Crash()
			lines = append(lines, "killed")
		} else {
			stop(t, srv)
			lines = append(lines, "stopped")
		}
		open()
	}

	open()
	st := s.stream("s")
	s.stream("gone")
	s.stream("s2")
	tp := s.topic(st, "t", 3)
	for _, n := range []string{"u", "v"} {
		s.topic(st, n, 1)
	}
	a := s.admin
	a.callQuietly(embedded.DeleteStream, ident(s.name("gone")))
	a.callQuietly(embedded.DeleteTopic, join(st, ident("u")))
	a.callQuietly(embedded.CreateGroup, join(st, tp, name("g")))
	a.callQuietly(embedded.CreateGroup, join(st, tp, name("h")))
	a.callQuietly(embedded.DeleteGroup, join(st, tp, ident("g")))
	a.callQuietly(embedded.JoinGroup, join(st, tp, ident("h")))
	for p := range uint32(3) {
		a.call("send", embedded.SendMessages, sendBody(st, tp, toPartition(p), message(1, "a", ""), message(2, "b", "hh")))
	}
	a.call("store", embedded.StoreOffset, join(grouped("h"), st, tp, part(0), u64(1)))
	a.call("store", embedded.StoreOffset, join(single("c"), st, tp, part(1), u64(1)))
	a.call("token", embedded.CreateToken, join(name("tok"), u64(0)))
	a.callQuietly(embedded.CreateUser, join(name("usr"), name("secret"), []byte{1, 0}))
	look := func(label string) {
		a = s.admin
		a.call(label, embedded.GetStream, st)
		a.call(label, embedded.GetTopic, join(st, tp))
		a.call(label, embedded.GetGroups, join(st, tp))
		a.call(label, embedded.GetOffset, join(grouped("h"), st, tp, part(0)))
		a.call(label, embedded.GetOffset, join(single("c"), st, tp, part(1)))
		a.call(label, embedded.GetTokens, nil)
		a.call(label, embedded.GetUser, ident("usr"))
		for p := range 3 {
			a.call(label, embedded.PollMessages, pollBody(single("x"), st, tp, p, 3, 0, 10, 0))
		}
		a.call(label, embedded.PollMessages, pollBody(single("c"), st, tp, 1, 5, 0, 10, 0))
		a.call(label, embedded.PollMessages, pollBody(grouped("h"), st, tp, -1, 5, 0, 10, 0))
	}
	send := func(times int, n uint64, payload string) {
		for range times {
			a.call("send", embedded.SendMessages, sendBody(st, tp, toPartition(1), message(n, payload, "")))
		}
	}
	look("before")
	restart(false)
	look("after stop")
	a.call("balanced", embedded.SendMessages, sendBody(st, tp, balanced, message(3, "c", "")))
	look("sent")
	restart(true)
	look("after crash")
	a.call("store", embedded.StoreOffset, join(single("c"), st, tp, part(1), u64(1)))
	send(3, 7, "x")
	a.call("store", embedded.StoreOffset, join(single("c"), st, tp, part(1), u64(4)))
	look("sent")
	restart(true)
	look("after crash: clamped")
	restart(false)
	look("after stop")
	send(5, 8, "y")
	restart(false)
	look("after stop: did the clamped offset come back?")
	created := a.call("create", embedded.CreateStream, name(s.name("n1")))
	s.note("stream number %x", created[:4])
	a.call("topic", embedded.CreateTopic, topicBody(st, 1, 1, 0, 0, 0, "n1"))
	a.call("group", embedded.CreateGroup, join(st, tp, name("n1")))
	lines = append(lines, s.lines...)
	require.Equal(t, string(want), strings.Join(lines, "\n")+"\n")
}
