package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// overflowing returns the elements whose content is wider than they are, within panels that scroll,
// too, and elements that reach beyond the page.
const overflowing = `[...document.querySelectorAll('body, section, .list, #log, table, td, th, p, h2')].filter(e =>
	e.checkVisibility() && (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline' && e.clientWidth > 0 ||
	e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)).map(e => e.tagName + '.' + e.className + '#' + e.id + ' ' + e.scrollWidth + ' in ' + e.clientWidth + ': ' + e.textContent.slice(0, 60))`

// faint returns the visible texts whose contrast to their ground is below 4.5, which WCAG requires.
const faint = `(() => {
	const rgba = color => { const m = color.match(/[\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
	const luminance = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const ground = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255]; };
	const found = [];
	for (const e of document.querySelectorAll('body *')) {
		if (!e.checkVisibility() || e.closest('script') || !['TEXTAREA', 'INPUT'].includes(e.tagName) && ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
		const [a, b] = [luminance(rgba(getComputedStyle(e).color)), luminance(ground(e))];
		const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
		if (contrast < 4.5) found.push(e.tagName + '.' + e.className + ' ' + contrast.toFixed(2) + ': ' + e.textContent.slice(0, 40));
	}
	return [...new Set(found)];
})()`

// The page fits phones, tablets and desktops, in light and dark, with long texts of others.
func TestPageLayout(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	remote := startFileServer(t)
	box, stop := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	others := make([]string, 25)
	for i := range others {
		others[i] = box.submit(t, remote.manifest(2, 0))
	}
	// The list is ordered by the last change: no later one moves the job below from its beginning.
	for _, other := range others {
		require.Equal(t, store.Completed, box.waitFinished(t, other).Status)
	}
	long, err := json.Marshal(map[string]any{"manifest_version": "v1", "metadata": map[string]any{}, "resources": []map[string]any{
		{"id": strings.Repeat("identifier", 12), "url": remote.URL + "/missing/" + strings.Repeat("path", 500)},
		{"id": "b", "url": remote.URL + "/f1"},
	}})
	require.NoError(t, err)
	id := box.submit(t, long)
	require.Equal(t, store.Partial, box.waitFinished(t, id).Status)

	b.resize(1440, 900)
	b.open(box.url + "/")
	b.waitFor(`document.querySelector('#ready').textContent === 'ready'`)
	b.waitFor(`document.querySelectorAll('#topics tr').length >= 4 && document.querySelectorAll('#health tr').length >= 5`)
	row := fmt.Sprintf(`#jobs tr[data-job="%s"] `, id)
	b.waitFor(fmt.Sprintf(`document.querySelector('%s') !== null`, row))
	// The list has a limit, and more on demand. Each job has its time.
	require.Equal(t, 10.0, b.eval(`document.querySelectorAll('#jobs tr').length`))
	b.click("#more")
	b.waitFor(`document.querySelectorAll('#jobs tr').length === 26`)
	b.waitFor(`document.querySelector('#more-jobs').hidden`)
	require.Equal(t, true, b.eval(`[...document.querySelectorAll('#jobs td.time')].every(e => /^(....-..-.. )?..:..:..$/.test(e.textContent))`))
	b.eval(`(limit = 10, refreshJobs())`)
	b.waitFor(`document.querySelectorAll('#jobs tr').length === 10`)
	b.click(row + "button.id")
	b.waitFor(`document.querySelector('#log .ERROR') !== null && !document.querySelector('#letters').hidden`)

	for _, width := range []int{390, 800, 1440} {
		for _, scheme := range []string{"light", "dark"} {
			b.prefer(scheme)
			b.resize(width, 900)
			b.waitFor(fmt.Sprintf(`innerWidth === %d`, width))
			b.eval(`scrollTo(0, 0)`)
			at := fmt.Sprintf("%d-%s", width, scheme)
			b.screenshot(at)
			require.Empty(t, b.eval(overflowing), at)
			require.Empty(t, b.eval(faint), at)
		}
		// On every screen the log is near.
		require.Less(t, b.eval(`document.querySelector('#log').getBoundingClientRect().top`), 1200.0, width)
	}
	b.resize(390, 844)
	// Each value of a row says what it is, without the header of the table.
	require.Equal(t, true, b.eval(`getComputedStyle(document.querySelector('#jobs td.time'), '::before').content.includes('updated') || document.querySelector('#jobs td.time').dataset.label === 'updated'`))

	// While FetchBox is away, no value looks current.
	b.prefer("light")
	b.resize(1440, 900)
	stop()
	b.waitFor(`document.querySelector('#ready').textContent === 'not reachable'`)
	b.waitFor(`['#jobs', '#log', '#dead-letters', '#replay', '#topics', '#health'].every(s => { for (let e = document.querySelector(s); e; e = e.parentElement) if (getComputedStyle(e).opacity === '0.45') return getComputedStyle(e.parentElement).opacity === '1'; return false; })`)
	b.waitFor(`document.querySelector('#log-error').textContent.includes('not current')`)
	b.screenshot("away")
}

// The dead letters of a failed job are shown, and replayed with a button.
func TestPageReplaysDeadLetters(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	remote := startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	id := box.submit(t, remote.manifest(1, 2))
	require.Equal(t, store.Partial, box.waitFinished(t, id).Status)
	b.open(box.url + "/")
	b.waitFor(`[...document.querySelectorAll('#jobs button')].some(e => e.textContent === 'Dead letters and replay')`)
	b.click("#jobs button:not(.id)")
	b.waitFor(`document.querySelector('#replay').textContent === 'Replay 2 dead letters' && document.querySelector('#replay').checkVisibility()`)
	require.Contains(t, b.eval(`document.querySelector('#dead-letters').innerText`), "missing0")
	require.Contains(t, b.eval(`document.querySelector('#dead-letters').innerText`), "DOWNLOAD_HTTP_4XX")

	remote.setFound()
	b.click("#replay")
	b.waitFor(`document.querySelector('#replay-answer').textContent === '2 replayed'`)
	b.waitFor(`document.querySelectorAll('#dead-letters tr[data-state=replayed]').length === 2`)
	require.Equal(t, true, b.eval(`document.querySelector('#replay').hidden`), "nothing is left to replay")
	b.waitFor(`document.querySelector('#jobs tr').dataset.status === 'completed'`)
	state := box.state(t, id)
	require.EqualValues(t, 3, state.Completed)
	require.Empty(t, b.consoleErrors())
}
