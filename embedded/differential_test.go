package embedded_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew, from the server that IGGY_TEST_ENDPOINT names")

// The scripts whose transcripts stand in testdata/*.txt, as the real server 0.8.0 answered.
var scripts = map[string]func(*script){
	"names":       scriptNames,
	"topics":      scriptTopics,
	"send":        scriptSend,
	"poll":        scriptPoll,
	"offsets":     scriptOffsets,
	"groups":      scriptGroups,
	"handover":    scriptHandover,
	"purge":       scriptPurge,
	"reborn":      scriptHandoverAfterDelete,
	"users":       scriptUsers,
	"permissions": scriptPermissions,
	"tokens":      scriptTokens,
	"frames":      scriptFrames,
	"cursor":      scriptPollCursor,
	"sdk":         scriptSDK,
}

func transcript(t *testing.T, run func(*script), tg target) string {
	s := newScript(t, tg)
	run(s)
	return strings.Join(s.lines, "\n") + "\n"
}

// TestTranscripts holds this server to the answers that the real one gave to the same frames.
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
			require.Equal(t, string(want), transcript(t, run, embeddedTarget(t)))
		})
	}
}

// oneAtATime keeps the tests that use a real server out of each other's way.
var realServerMu sync.Mutex

// TestRealServerStillAnswersSo runs the same frames against a real server, so that the transcripts
// are not taken on trust. Others that use the server make members' turns jump and so spoil a run;
// of ten, one must come out.
func TestTranscriptsOnRealServer(t *testing.T) {
	t.Parallel()
	realServerMu.Lock()
	defer realServerMu.Unlock()
	for name, run := range scripts {
		t.Run(name, func(t *testing.T) {
			tg := realTarget(t)
			want, err := os.ReadFile(transcriptFile(name))
			require.NoError(t, err)
			for attempt := range 10 {
				got := transcript(t, run, tg)
				if got == string(want) {
					return
				}
				if attempt == 9 {
					require.Equal(t, string(want), got)
				}
				t.Logf("attempt %d spoiled", attempt+1)
			}
		})
	}
}

func transcriptFile(name string) string { return filepath.Join("testdata", "transcript-"+name+".txt") }
