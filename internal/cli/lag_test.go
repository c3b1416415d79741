package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

type lagOutput struct {
	Topic, Name string
	Members     []int
	Partitions  []struct{ Current, Committed, Lag, Owners int }
}

func TestLagByGroupAndTopic(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run("publish-task", "-f", writeFile(t, strings.Repeat(taskJSON, 3))).ok(t)
	conn := connectNative(t, s.Server)
	require.NoError(t, conn.Join(t.Context(), transport.Group{Stream: "fetchbox", Topic: "jobs.tasks", Name: "workers"}))
	lags := jsonLines[lagOutput](t, s.run("lag", "-o", "json").ok(t))
	require.Len(t, lags, 4, "the coordination groups are left out")
	lags = jsonLines[lagOutput](t, s.run("lag", "tasks", "--group", "workers", "-o", "json").ok(t))
	require.Equal(t, []int{8}, lags[0].Members)
	total := 0
	for _, p := range lags[0].Partitions {
		total += p.Lag
		require.Equal(t, 1, p.Owners)
	}
	require.Equal(t, 3, total)
	require.Contains(t, s.run("lag").ok(t), "total lag: 3\n")
	s.run("lag", "--group", "nope").fails(t, 1, `no consumer group "nope"`)
	s.run("lag", "fetchbox/nope").fails(t, 1, "topic not found")
	s.run("lag", "--watch", "--interval", "0s").fails(t, 2, "--interval")

	p := s.begin("lag", "--watch", "--interval", "1ms", "-o", "json", "tasks")
	p.line()
	p.line()
	p.interrupt()
	require.Equal(t, 0, p.end().code)
}
