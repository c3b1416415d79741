package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnknownCommand(t *testing.T) {
	t.Parallel()
	run(t, "serv").fails(t, 2, `did you mean "serve"?`)
	require.Contains(t, run(t).ok(t), "Development:")
	require.Contains(t, run(t, "completion", "bash").ok(t), "fetchbox-iggy-cli")
}
