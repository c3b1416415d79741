package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

const taskJSON = `{"jobId": "j", "resourceId": "r", "url": "https://example.com/x", "headers": [{"name": "Accept", "value": "*/*"}]}`

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "input.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestPublishReadsEveryForm(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for form, text := range map[string]string{
		"one":        taskJSON,
		"an array":   " [" + taskJSON + ",\n" + taskJSON + "]\n",
		"lines":      taskJSON + "\n\n" + taskJSON + "\n" + taskJSON,
		"with a BOM": "\ufeff" + taskJSON,
	} {
		want := strings.Count(text, "jobId")
		before := len(s.Messages("fetchbox", "jobs.tasks"))
		out := s.run("publish-task", "--file", writeFile(t, text)).ok(t)
		require.Contains(t, out, fmt.Sprintf("published %d task", want), form)
		counts := jsonOf[struct{ Published int }](t, s.runIn(text, "publish-task", "-f", "-", "-o", "json").ok(t))
		require.Equal(t, want, counts.Published, form)
		require.Len(t, s.Messages("fetchbox", "jobs.tasks"), before+2*want, form)
	}
	var stored jobspb.DownloadTask
	require.NoError(t, proto.Unmarshal(s.Messages("fetchbox", "jobs.tasks")[0].Payload, &stored))
	require.Equal(t, "accept", stored.GetHeaders()[0].GetName())

	s.run("publish-status", "-f", writeFile(t, `{"job_id": "j", "state": "JOB_STATE_QUEUED"}`)).ok(t)
	var status jobspb.JobStatus
	require.NoError(t, proto.Unmarshal(s.Messages("fetchbox", "jobs.status")[0].Payload, &status))
	require.NotZero(t, status.GetTimestampMs())
	s.run("publish-log", "-f", writeFile(t, `{"jobId": "j", "level": "LOG_LEVEL_INFO", "message": "hello"}`)).ok(t)
	require.Len(t, s.Messages("fetchbox", "jobs.logs"), 1)
}

// TestPublishRejectsBadInput requires that nothing is published from a faulty file, and that one
// line names the fault and its place.
func TestPublishRejectsBadInput(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for why, text := range map[string]string{
		"line 1: not valid JSON":                        "hello",
		"it ends in the middle":                         `{"jobId": "j"`,
		"holds no task":                                 " \n ",
		`line 3: unknown field "nope"`:                  taskJSON + "\n\n" + `{"jobId": "j", "nope": 1}`,
		"line 4: invalid value":                         "[" + taskJSON + ",\n{\n\n\"jobId\": 3}]",
		"line 2: something follows the array":           "[" + taskJSON + "]\nx",
		"task 2: DownloadTask.url":                      taskJSON + `{"jobId": "j", "resourceId": "r", "url": "gopher://x"}`,
		"line 1: not valid JSON: invalid character":     "[" + taskJSON + ",]",
		"exceeded max depth":                            strings.Repeat("[", 20_000),
		"line 1: not valid JSON: it ends in the middle": "[" + taskJSON,
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			s.run("publish-task", "--file", writeFile(t, text)).fails(t, 1, why)
		})
	}
	t.Cleanup(func() { require.Empty(t, s.Messages("fetchbox", "jobs.tasks")) })
	s.run("publish-task").fails(t, 2, "--file")
	s.run("publish-task", "--file", "/nonexistent").fails(t, 1, "no such file")
	s.run("publish-task", "--file", t.TempDir()).fails(t, 1, "is a directory")
	s.run("publish-task", "--file", "x", "more").fails(t, 2, "takes no argument")
	require.Contains(t, s.runIn(taskJSON, "publish-task", "--file", "-", "--dry-run").ok(t), "published nothing")
}

// TestPublishFromStreamUntilFault requires that the messages before a fault are published and
// counted when the input can't be read twice.
func TestPublishFromStreamUntilFault(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	r := s.runIn(taskJSON+"\n"+taskJSON+"\nx", "publish-task", "--file", "-")
	r.fails(t, 1, "standard input: line 3: not valid JSON")
	require.Equal(t, "published 2 tasks to fetchbox/jobs.tasks\n", r.out)
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), 2)
}

// TestPublishRejectsHugeMessage requires that an endless message does not fill the memory.
func TestPublishRejectsHugeMessage(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	endless := io.MultiReader(strings.NewReader(`{"jobId": "`), io.LimitReader(zeros{}, 100<<20))
	runWith(t, endless, s.args([]string{"publish-task", "--file", "-"})...).fails(t, 1, "a message is longer than 32MiB")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

func TestPublishWithoutServer(t *testing.T) {
	t.Parallel()
	file := writeFile(t, taskJSON)
	srv := iggytest.NewServer(t)
	run(t, "publish-task", "-f", file, "--endpoint", "iggy:iggy@"+srv.Address()).fails(t, 1, "provision creates what is missing")
	run(t, "publish-task", "-f", file, "--endpoint", "iggy:wrong@"+srv.Address()).fails(t, 1, "credentials")
	run(t, "publish-task", "-f", file, "--endpoint", srv.Address()).fails(t, 2, "iggy.client_id: must be set")
	run(t, "publish-task", "-f", file, "--endpoint", "iggy://iggy:secret word@x").fails(t, 2, "--endpoint must be")
	require.NotContains(t, run(t, "publish-task", "-f", file, "--endpoint", "iggy://iggy:sec\nret@x").err, "ret")
	srv.StopListening()
	srv.CutConnections()
	hasty := writeFile(t, "iggy:\n  start_timeout: 200ms\n")
	run(t, "publish-task", "-f", file, "--config", hasty, "--endpoint", "iggy:iggy@"+srv.Address()).fails(t, 1, "fetchbox-iggy-cli: cannot connect to the server: dial tcp "+srv.Address()+": connect: connection refused\n")
}

// TestPublishInterruptedPrintsCounts requires that the counts after an interrupt are right.
func TestPublishInterruptedPrintsCounts(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	in, feed := io.Pipe()
	p := begin(t, in, s.args([]string{"publish-task", "--file", "-", "-o", "json"})...)
	for range 1500 {
		_, err := io.WriteString(feed, taskJSON+"\n")
		require.NoError(t, err)
	}
	s.WaitMessages("fetchbox", "jobs.tasks", 1000)
	p.interrupt()
	r := p.end()
	_ = feed.Close()
	require.Equal(t, 1, r.code)
	var counts struct {
		Published, Failed, Unknown int
		Interrupted                bool
	}
	require.NoError(t, json.Unmarshal([]byte(r.out), &counts))
	require.True(t, counts.Interrupted)
	require.Zero(t, counts.Failed+counts.Unknown)
	require.Len(t, s.Messages("fetchbox", "jobs.tasks"), counts.Published)
	require.Equal(t, "fetchbox-iggy-cli: interrupted\n", r.err)
}

func TestPublishCountsRefusedMessages(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.Inject(iggytest.Answer(embedded.StatusUnauthorized).On(embedded.SendMessages))
	r := s.run("publish-task", "-f", writeFile(t, taskJSON))
	r.fails(t, 1, "not permitted")
	require.Contains(t, r.out, "1 failed, surely not stored")
}
