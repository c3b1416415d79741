package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// TestInterruptSaysWhatWasNotDone interrupts commands during their first chunk of 1000 messages,
// which is finished.
func TestInterruptSaysWhatWasNotDone(t *testing.T) {
	t.Parallel()
	const letter = `{"task":{"jobId":"j","jobType":"t","resourceId":"r","url":"http://localhost/"},"failureCode":"SYSTEM_PANIC"}` + "\n"
	for _, c := range []struct {
		name string
		args []string
		text string
		json map[string]any
	}{
		{
			"publish",
			[]string{"publish", "dlq", "--format", "lines", "--type", "DeadLetterTask", "--file", writeFile(t, strings.Repeat(letter, 2500))},
			"published 1000 messages to fetchbox/jobs.dlq; 1500 not sent\n",
			map[string]any{"published": 1000., "failed": 0., "unknown": 0., "not_sent": 1500., "interrupted": true},
		},
		{
			"replay",
			[]string{"dlq", "replay", "--all", "--yes"},
			"replayed 1000 dead letters; 1500 not tried\n",
			map[string]any{"replayed": 1000., "found": 0., "claimed": 0., "failed": 0., "unknown": 0., "not_tried": 1500., "interrupted": true},
		},
		{
			"drop",
			[]string{"dlq", "drop", "--all", "--yes"},
			"dropped 1000 dead letters; 1500 not dropped\n",
			map[string]any{"dropped": 1000., "skipped": 0., "not_dropped": 1500., "interrupted": true},
		},
	} {
		for _, output := range []string{"text", "json"} {
			t.Run(c.name+" "+output, func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				if c.name != "publish" {
					s.run("publish", "dlq", "--format", "lines", "--type", "DeadLetterTask", "--file", writeFile(t, strings.Repeat(letter, 2500))).ok(t)
				}
				interrupt, ready := func() {}, make(chan struct{})
				s.Inject(iggytest.Do(func(iggytest.Request) {
					<-ready
					interrupt()
				}).On(embedded.SendMessages).Times(1))
				p := s.begin(append(c.args, "-o", output)...)
				interrupt = p.interrupt
				close(ready)
				r := p.end()
				require.Equal(t, 1, r.code)
				require.Equal(t, "fetchbox-iggy-cli: interrupted\n", r.err)
				if output == "text" {
					require.Equal(t, c.text, r.out)
					return
				}
				require.Equal(t, c.json, jsonOf[map[string]any](t, r.out))
			})
		}
	}
}
