package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestProvision(t *testing.T) {
	t.Parallel()
	s := system{iggytest.NewServer(t), t}
	require.Contains(t, s.run("provision", "--dry-run").ok(t), "+ topic  fetchbox/jobs.tasks: 8 partitions")
	require.Zero(t, s.Members("fetchbox", "jobs.tasks", "workers"))
	r := s.run("provision")
	r.fails(t, 2, "say --yes")
	require.Contains(t, r.out, "+ stream fetchbox", "the plan comes first")
	require.Contains(t, s.run("provision", "--yes").ok(t), "created 13 objects")
	out := s.run("provision").ok(t)
	require.NotContains(t, out, "+ ")
	require.Contains(t, out, "= topic  fetchbox/jobs.dlq")
	plan := jsonOf[struct{ Steps []struct{ Action string } }](t, s.run("provision", "-o", "json").ok(t))
	require.Len(t, plan.Steps, 13)
	s.Inject(iggytest.Answer(embedded.StatusUnauthorized))
	s.run("provision", "--yes").fails(t, 1, "not permitted")
}

type lagOf struct {
	Topic, Name string
	Members     []int
	Partitions  []struct{ Current, Committed, Lag, Owners int }
}

func TestLag(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run("publish-task", "-f", writeFile(t, strings.Repeat(task, 3))).ok(t)
	conn := connectNative(t, s.Server)
	require.NoError(t, conn.Join(t.Context(), transport.Group{Stream: "fetchbox", Topic: "jobs.tasks", Name: "workers"}))
	lags := jsonLines[lagOf](t, s.run("lag", "-o", "json").ok(t))
	require.Len(t, lags, 4, "the groups for balancing are left out")
	lags = jsonLines[lagOf](t, s.run("lag", "--topic", "tasks", "--group", "workers", "-o", "json").ok(t))
	require.Equal(t, []int{8}, lags[0].Members)
	total := 0
	for _, p := range lags[0].Partitions {
		total += p.Lag
		require.Equal(t, 1, p.Owners)
	}
	require.Equal(t, 3, total)
	require.Contains(t, s.run("lag").ok(t), "total lag: 3\n")
	s.run("lag", "--group", "nope").fails(t, 1, `no consumer group "nope"`)
	s.run("lag", "--topic", "nope").fails(t, 1, "topic not found")
	s.run("lag", "--watch", "--interval", "0s").fails(t, 2, "--interval")

	p := s.begin("lag", "--watch", "--interval", "1ms", "-o", "json", "--topic", "tasks")
	p.line()
	p.line()
	p.interrupt()
	require.Equal(t, 0, p.end().code)
}

func TestOffsets(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run("publish-task", "-f", writeFile(t, strings.Repeat(task, 3))).ok(t)
	partition := "0"
	for _, m := range s.Messages("fetchbox", "jobs.tasks") {
		partition = string(rune('0' + m.Partition))
	}
	committed := func() (uint64, bool) {
		return s.Committed("fetchbox", "jobs.tasks", "workers", uint32(partition[0]-'0'))
	}
	set := []string{"offsets", "set", "--topic", "tasks", "--partition", partition, "--offset"}
	s.run(append(set, "1")...).fails(t, 2, "say --yes")
	s.run(append(set, "1", "--dry-run")...).ok(t)
	_, ok := committed()
	require.False(t, ok)
	s.run(append(set, "1", "--yes")...).ok(t)
	offset, _ := committed()
	require.EqualValues(t, 1, offset)
	s.run(append(set, "3", "--yes")...).fails(t, 1, "beyond the end")
	s.run("offsets", "set", "--topic", "jobs.tasks", "--partition", "99", "--offset", "0").fails(t, 1, "no partition 99")
	s.run("offsets", "set", "--offset", "0").fails(t, 2, "--partition and --offset")
	s.run("offsets", "set", "--topic", "other", "--partition", "0", "--offset", "0").fails(t, 2, "--group")
	s.run(append(set, "1", "--group", "nope")...).fails(t, 1, "group not found")

	require.Contains(t, s.run("offsets", "reset", "--to", "end", "--yes").ok(t), "SKIPPED")
	offset, _ = committed()
	require.EqualValues(t, 2, offset)
	require.Contains(t, s.run("offsets", "reset", "--to", "end", "--yes").ok(t), "nothing changes")
	s.run("offsets", "reset", "--to", "1h", "--yes").ok(t)
	_, ok = committed()
	require.False(t, ok, "everything came within the hour")
	s.run("offsets", "reset", "--to", "2120-01-01T00:00:00Z", "--yes").ok(t)
	offset, _ = committed()
	require.EqualValues(t, 2, offset)
	s.run("offsets", "reset", "--to", "first", "--yes").ok(t)
	_, ok = committed()
	require.False(t, ok)
	s.run("offsets", "reset", "--to", "there").fails(t, 2, "--to must be")

	conn := connectNative(t, s.Server)
	require.NoError(t, conn.Join(t.Context(), transport.Group{Stream: "fetchbox", Topic: "jobs.tasks", Name: "workers"}))
	s.run(append(set, "1", "--yes")...).fails(t, 1, "has members")
}

func TestPing(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	require.Contains(t, run(t, "ping", "--endpoint", "iggy:iggy@"+srv.Endpoint()).ok(t), "answers")
	require.Positive(t, jsonOf[map[string]any](t, run(t, "ping", "-o", "json", "--endpoint", "iggy:iggy@"+srv.Endpoint()).ok(t))["connect_ms"])
	run(t, "ping", "--endpoint", "iggy:wrong@"+srv.Endpoint()).fails(t, 1, "credentials")
	srv.StopListening()
	run(t, "ping", "--endpoint", "iggy:iggy@"+srv.Endpoint()).fails(t, 1, "connection refused")
}

type findings struct {
	Findings []struct{ Check, Verdict, Detail, Cure string }
}

// verdicts are those that are not ok, by check.
func (f findings) verdicts() map[string]string {
	all := map[string]string{}
	for _, one := range f.Findings {
		if one.Verdict != "ok" {
			all[one.Check] = one.Verdict
		}
	}
	return all
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	s := system{iggytest.NewServer(t), t}
	r := s.run("doctor", "-o", "json")
	require.Equal(t, 1, r.code)
	require.Empty(t, r.err)
	require.Equal(t, map[string]string{"topics": "failure", "settings": "warning"}, jsonOf[findings](t, r.out).verdicts())
	s.run("provision", "--yes").ok(t)
	s.run("publish-task", "-f", writeFile(t, task)).ok(t)
	got := jsonOf[findings](t, s.run("doctor", "-o", "json").ok(t))
	require.Equal(t, map[string]string{"groups": "warning", "settings": "warning"}, got.verdicts())
	for _, f := range got.Findings {
		require.Equal(t, f.Verdict == "ok", f.Cure == "", "everything that is not in order comes with its cure: %v", f)
	}
	require.Contains(t, s.run("doctor").ok(t), "cure: start the group's consumers")
	require.NoError(t, s.DeleteGroup("fetchbox", "jobs.dlq", "operators"))
	got = jsonOf[findings](t, s.run("doctor", "-o", "json").ok(t))
	require.Equal(t, map[string]string{"topics": "warning", "groups": "warning", "settings": "warning"}, got.verdicts(), "nobody need consume dead letters")

	check := func(verdicts map[string]string, endpoint string) {
		t.Helper()
		r := run(t, "doctor", "-o", "json", "--endpoint", endpoint)
		require.Equal(t, 1, r.code)
		require.Equal(t, verdicts, jsonOf[findings](t, r.out).verdicts())
	}
	check(map[string]string{"login": "failure"}, "iggy:wrong@"+s.Endpoint())
	check(map[string]string{"protocol": "failure"}, "iggy:iggy@"+iggytest.NewTLSServer(t).Endpoint())
	garbage := iggytest.NewServer(t)
	garbage.Inject(iggytest.Garbage([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")...))
	check(map[string]string{"protocol": "failure"}, "iggy:iggy@"+garbage.Endpoint())
	s.StopListening()
	check(map[string]string{"address": "failure"}, "iggy:iggy@"+s.Endpoint())
}
