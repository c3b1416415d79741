package embedded_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

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
