package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
)

func TestThePageInABrowser(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environ(nil)})
	b.open(box.url + "/")
	b.until(`document.querySelector('#ready').textContent === 'ready'`)
	b.click("#submit") // the example manifest: two resources that are there, one that is not
	b.until(`document.querySelector('#answer').textContent.startsWith('accepted: ')`)
	b.until(`document.querySelector('#jobs tr.chosen[data-status=partial]') !== null`)
	require.Contains(t, b.eval(`document.querySelector('#jobs tr').innerText`), "DOWNLOAD_HTTP_4XX")
	b.until(`document.querySelectorAll('#log .INFO').length === 2`)
	b.until(`document.querySelector('#log .ERROR').textContent.includes('given up')`)
	b.until(`document.querySelector('#topics tr[data-topic="jobs.dlq"]').cells[2].textContent === '1'`)
	b.until(`[...document.querySelectorAll('#topics tr')].filter(r => r.cells[6].textContent === '0').length === 3`)
	b.until(`document.querySelectorAll('#health tr[data-status=up]').length >= 5`)

	// A row that did not change stays: a click, or what is selected in it, is not lost.
	b.eval(`(document.querySelector('#jobs tr').marked = true)`)
	const looks = `performance.getEntriesByType('resource').filter(e => e.name.endsWith('/operators/jobs')).length`
	b.until(fmt.Sprintf(`%s >= %v`, looks, b.eval(looks).(float64)+2))
	require.Equal(t, true, b.eval(`document.querySelector('#jobs tr').marked === true`))

	// On a phone the state and the numbers of a job are in sight.
	b.resize(390, 844)
	b.until(`document.documentElement.clientWidth === 390`)
	require.Equal(t, true, b.eval(`document.documentElement.scrollWidth <= 390`))
	require.Equal(t, true, b.eval(`[...document.querySelectorAll('#jobs td, #jobs .pill, #topics td, #health td')].every(e => e.getBoundingClientRect().right <= 390)`))
	b.resize(1200, 1400)

	// A manifest that breaks a rule is refused in words.
	b.eval(`(document.querySelector('#manifest').value = '{"manifest_version": "v2"}')`)
	b.click("#submit")
	b.until(`document.querySelector('#answer').textContent.includes('manifest_version')`)
	// Nothing from outside becomes markup.
	b.eval(`(document.querySelector('#manifest').value = JSON.stringify({manifest_version: 'v1', metadata: {}, resources: [{id: '<img src=x onerror=alert(1)>', url: location.origin + '/<b>'}]}))`)
	b.click("#submit")
	b.until(`document.querySelector('#jobs tr.chosen[data-status=failed]') !== null`)
	b.until(`document.querySelector('#log').innerText.includes('<img src=x')`)
	require.Equal(t, false, b.eval(`document.querySelector('#log img, #jobs img') !== null`))
	// A time that is none does not hide what is said.
	b.eval(`stream.dispatchEvent(new MessageEvent('log', {data: JSON.stringify({message: 'in microseconds', timestampMs: '18446744073709551615'})}))`)
	b.until(`document.querySelector('#log').innerText.includes('in microseconds')`)
	b.screenshot()

	for _, complaint := range b.complaints() {
		require.Contains(t, complaint, "400 (Bad Request)", "only the refused manifest may be complained about")
	}
}
