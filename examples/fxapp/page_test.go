package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
)

func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	b.open(box.url + "/")
	b.waitFor(`document.querySelector('#ready').textContent === 'ready'`)
	b.click("#submit") // the example manifest: two resources exist, one does not
	b.waitFor(`document.querySelector('#answer').textContent.startsWith('accepted: ')`)
	b.waitFor(`document.querySelector('#jobs tr.selected[data-status=partial]') !== null`)
	require.Contains(t, b.eval(`document.querySelector('#jobs tr').innerText`), "DOWNLOAD_HTTP_4XX")
	b.waitFor(`document.querySelectorAll('#log .INFO').length === 2`)
	b.waitFor(`document.querySelector('#log .ERROR').textContent.includes('given up')`)
	b.waitFor(`document.querySelector('#topics tr[data-topic="jobs.dlq"]').cells[2].textContent === '1'`)
	b.waitFor(`[...document.querySelectorAll('#topics tr')].filter(r => r.cells[6].textContent === '0').length === 4`)
	require.Equal(t, true, b.eval(`document.body.innerText.includes('Partitions assigned')`))
	b.waitFor(`document.querySelectorAll('#health tr[data-status=up]').length >= 5`)

	// A row without changes is not replaced, so that a click or a selection in it is not lost.
	b.eval(`(document.querySelector('#jobs tr').marked = true)`)
	const requests = `performance.getEntriesByType('resource').filter(e => e.name.includes('/operators/jobs?')).length`
	b.waitFor(fmt.Sprintf(`%s >= %v`, requests, b.eval(requests).(float64)+2))
	require.Equal(t, true, b.eval(`document.querySelector('#jobs tr').marked === true`))

	// An invalid manifest is refused with a message.
	b.eval(`(document.querySelector('#manifest').value = '{"manifest_version": "v2"}')`)
	b.click("#submit")
	b.waitFor(`document.querySelector('#answer').textContent.includes('manifest_version')`)
	// Values from outside never become markup.
	b.eval(`(document.querySelector('#manifest').value = JSON.stringify({manifest_version: 'v1', metadata: {}, resources: [{id: '<img src=x onerror=alert(1)>', url: location.origin + '/<b>'}]}))`)
	b.click("#submit")
	b.waitFor(`document.querySelector('#jobs tr.selected[data-status=failed]') !== null`)
	b.waitFor(`document.querySelector('#log').innerText.includes('<img src=x')`)
	require.Equal(t, false, b.eval(`document.querySelector('#log img, #jobs img') !== null`))
	// A log entry with an invalid time is shown.
	b.eval(`stream.dispatchEvent(new MessageEvent('log', {data: JSON.stringify({message: 'in microseconds', timestampMs: '18446744073709551615'})}))`)
	b.waitFor(`document.querySelector('#log').innerText.includes('in microseconds')`)

	for _, message := range b.consoleErrors() {
		require.Contains(t, message, "400 (Bad Request)", "the refused manifest is the only error")
	}
}
