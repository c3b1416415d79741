package cli_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/cli"
)

func TestVersionDescribesTheBuild(t *testing.T) {
	t.Parallel()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	platform := runtime.GOOS + "/" + runtime.GOARCH
	revision, modified := debug.BuildSetting{Key: "vcs.revision", Value: commit}, debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for name, tt := range map[string]struct {
		release string
		info    debug.BuildInfo
		want    string
	}{
		"go install": {"", debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.1.0"}}, "v0.1.0 (go1.26.8, "},
		"a clone": {
			"",
			debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{revision, modified}},
			"(devel) (commit 0123456789ab with changes, go1.26.8, ",
		},
		"a release": {
			"v0.2.0",
			debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{revision}},
			"v0.2.0 (commit 0123456789ab, go1.26.8, ",
		},
		"nothing known": {"", debug.BuildInfo{}, "unknown (" + runtime.Version() + ", "},
	} {
		require.Equal(t, tt.want+platform+")", cli.DescribeBuild(tt.release, &tt.info), name)
	}
	require.Contains(t, run(t, "--version").ok(t), platform)
}
