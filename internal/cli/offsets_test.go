package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestOffsetsSetAndReset(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run("publish-task", "-f", writeFile(t, strings.Repeat(taskJSON, 3))).ok(t)
	partition := "0"
	for _, m := range s.Messages("fetchbox", "jobs.tasks") {
		partition = string(rune('0' + m.Partition))
	}
	committed := func() (uint64, bool) {
		return s.Committed("fetchbox", "jobs.tasks", "workers", uint32(partition[0]-'0'))
	}
	set := []string{"offsets", "set", "tasks", "--partition", partition, "--offset"}
	s.run(append(set, "1")...).fails(t, 2, "confirm with --yes")
	s.run(append(set, "1", "--dry-run")...).ok(t)
	_, ok := committed()
	require.False(t, ok)
	s.run(append(set, "1", "--yes")...).ok(t)
	offset, _ := committed()
	require.EqualValues(t, 1, offset)
	s.run(append(set, "3", "--yes")...).fails(t, 1, "beyond the end")
	s.run("offsets", "set", "fetchbox/jobs.tasks", "--partition", "99", "--offset", "0").fails(t, 1, "no partition 99")
	s.run("offsets", "set", "tasks", "--offset", "0").fails(t, 2, "--partition and --offset")
	s.run("offsets", "set", "fetchbox/other", "--partition", "0", "--offset", "0").fails(t, 1, "topic not found")
	s.run("offsets", "set", "fetchbox", "--partition", "0", "--offset", "0").fails(t, 2, "topics are named STREAM/TOPIC, or tasks, status, logs or dlq")
	s.run("offsets", "reset", "--to", "end").fails(t, 2, "takes one topic")
	s.run("provision", "shop/orders", "--group", "billing", "--group", "audit", "--yes").ok(t)
	s.run("offsets", "reset", "shop/orders", "--to", "end").fails(t, 2, "--group says which consumer group of shop/orders is meant; there are audit, billing")
	require.Contains(t, s.run("offsets", "reset", "shop/orders", "--group", "audit", "--to", "end").ok(t), "nothing changes")
	s.run(append(set, "1", "--group", "nope")...).fails(t, 1, "group not found")

	require.Contains(t, s.run("offsets", "reset", "tasks", "--to", "end", "--yes").ok(t), "SKIPPED")
	offset, _ = committed()
	require.EqualValues(t, 2, offset)
	require.Contains(t, s.run("offsets", "reset", "tasks", "--to", "end", "--yes").ok(t), "nothing changes")
	s.run("offsets", "reset", "tasks", "--to", "1h", "--yes").ok(t)
	_, ok = committed()
	require.False(t, ok, "everything came within the hour")
	s.run("offsets", "reset", "tasks", "--to", "2120-01-01T00:00:00Z", "--yes").ok(t)
	offset, _ = committed()
	require.EqualValues(t, 2, offset)
	s.run("offsets", "reset", "tasks", "--to", "first", "--yes").ok(t)
	_, ok = committed()
	require.False(t, ok)
	s.run("offsets", "reset", "tasks", "--to", "there").fails(t, 2, "--to must be")

	conn := connectNative(t, s.Server)
	require.NoError(t, conn.Join(t.Context(), transport.Group{Stream: "fetchbox", Topic: "jobs.tasks", Name: "workers"}))
	s.run(append(set, "1", "--yes")...).fails(t, 1, "has members")
}
