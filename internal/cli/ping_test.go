package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

func TestPing(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	require.Contains(t, run(t, "ping", "--endpoint", "iggy:iggy@"+srv.Address()).ok(t), "answers")
	require.Positive(t, jsonOf[map[string]any](t, run(t, "ping", "-o", "json", "--endpoint", "iggy:iggy@"+srv.Address()).ok(t))["connect_ms"])
	run(t, "ping", "--endpoint", "iggy:wrong@"+srv.Address()).fails(t, 1, "credentials")
	srv.StopListening()
	run(t, "ping", "--endpoint", "iggy:iggy@"+srv.Address()).fails(t, 1, "connection refused")
}
