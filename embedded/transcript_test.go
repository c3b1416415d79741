package embedded_test

import (
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

var update = flag.Bool("update", false, "write the transcripts in testdata from the answers of the server that IGGY_TEST_ENDPOINT names")

// scripts are the scripts whose transcripts of the real server 0.8.0 are in testdata.
var scripts = map[string]func(*script){
	"names":                 scriptNames,
	"topics":                scriptTopics,
	"send":                  scriptSend,
	"poll":                  scriptPoll,
	"offsets":               scriptOffsets,
	"groups":                scriptGroups,
	"handover":              scriptHandover,
	"purge":                 scriptPurge,
	"handover-after-delete": scriptHandoverAfterDelete,
	"users":                 scriptUsers,
	"permissions":           scriptPermissions,
	"tokens":                scriptTokens,
	"frames":                scriptFrames,
	"purge-unsaved":         scriptPurgeUnsaved,
	"poll-cursor":           scriptPollCursor,
	"sdk":                   scriptSDK,
}

// scriptOptions are the options of the embedded server for single scripts.
var scriptOptions = map[string][]embedded.Option{
	"purge-unsaved": {embedded.WithPurgeSavedOnly(true)},
}

func transcript(t *testing.T, run func(*script), tg target) string {
	s := newScript(t, tg)
	run(s)
	return strings.Join(s.lines, "\n") + "\n"
}

// TestTranscripts compares the answers of this server with those of the real one to the same
// frames.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	for name, run := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if *update {
				require.NoError(t, os.WriteFile(transcriptFile(name), []byte(transcript(t, run, realTarget(t))), 0o644))
			}
			want, err := os.ReadFile(transcriptFile(name))
			require.NoError(t, err)
			require.Equal(t, string(want), transcript(t, run, embeddedTarget(t, scriptOptions[name]...)))
		})
	}
}

// realServerMu is held by tests that use a real server, one at a time.
var realServerMu sync.Mutex

// TestTranscriptsOnRealServer runs the scripts on a real server and compares with the stored
// transcripts. Other clients of that server change its metadata and so the cursors of members. That
// spoils a run, so one of ten must be equal.
func TestTranscriptsOnRealServer(t *testing.T) {
	t.Parallel()
	realServerMu.Lock()
	defer realServerMu.Unlock()
	for name, run := range scripts {
		t.Run(name, func(t *testing.T) {
			tg := realTarget(t)
			stored, err := os.ReadFile(transcriptFile(name))
			require.NoError(t, err)
			want := string(stored)
			if name == "purge-unsaved" && savesAtOnce(t, tg) {
				want = transcript(t, run, embeddedTarget(t))
			}
			for attempt := range 10 {
				got := transcript(t, run, tg)
				if got == want {
					return
				}
				if attempt == 9 {
					require.Equal(t, want, got)
				}
				t.Logf("attempt %d differs", attempt+1)
			}
		})
	}
}

// savesAtOnce reports whether a server writes each message at once
// (IGGY_SYSTEM_PARTITION_MESSAGES_REQUIRED_TO_SAVE=1), so that a purge leaves none. With its default
// settings it does not.
func savesAtOnce(t *testing.T, tg target) bool {
	s := newScript(t, tg)
	stream := s.stream("s")
	topic := s.topic(stream, "t", 1)
	s.admin.callQuietly(embedded.SendMessages, sendBody(stream, topic, toPartition(0), message(1, "a", "")))
	s.admin.callQuietly(embedded.PurgeTopic, join(stream, topic))
	answer := s.admin.callQuietly(embedded.PollMessages, pollBody(single("c"), stream, topic, 0, 1, 0, 1, 0))
	return binary.LittleEndian.Uint32(answer[12:]) == 0 // the number of messages
}

func transcriptFile(name string) string { return filepath.Join("testdata", "transcript-"+name+".txt") }
