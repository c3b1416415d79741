package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is the version of a released program. The build of a release sets it: see .goreleaser.yaml.
var release string

// version describes the program: its version, the commit if it was built in a clone, the version of Go
// and the platform.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describeBuild(release, info)
}

func describeBuild(release string, info *debug.BuildInfo) string {
	commit, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = "commit " + s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " with changes"
		}
	}
	if commit != "" {
		commit += modified + ", "
	}
	return fmt.Sprintf("%s (%s%s, %s/%s)",
		cmp.Or(release, info.Main.Version, "unknown"), commit, cmp.Or(info.GoVersion, runtime.Version()), runtime.GOOS, runtime.GOARCH)
}
