package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// machine describes where and with what a run was made.
type machine struct {
	Commit string `json:"commit"`
	Go     string `json:"go"`
	CPU    string `json:"cpu"`
	Server string `json:"server"`
	Date   string `json:"date"`
	Runs   int    `json:"runs"`
	Quick  bool   `json:"quick,omitempty"`
}

func describeMachine(server string, runs int, quick bool) machine {
	return machine{
		Commit: commit(), Go: fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH),
		CPU: fmt.Sprintf("%d × %s", runtime.NumCPU(), processor()), Server: server,
		Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Runs: runs, Quick: quick,
	}
}

// commit returns the commit of the program: as its build information says, or that of the working
// directory, since "go run" does not add it.
func commit() string {
	revision, changed := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				revision = s.Value
			case "vcs.modified":
				changed = s.Value
			}
		}
	}
	if revision == "" {
		head, err := exec.Command("git", "rev-parse", "HEAD").Output()
		if err != nil {
			return "unknown"
		}
		revision = strings.TrimSpace(string(head))
		if status, err := exec.Command("git", "status", "--porcelain").Output(); err == nil && len(bytes.TrimSpace(status)) > 0 {
			changed = "true"
		}
	}
	revision = revision[:min(len(revision), 12)]
	if changed == "true" {
		revision += " with changes"
	}
	return revision
}

// processor returns the name of the processor, or its architecture where it is unknown.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
