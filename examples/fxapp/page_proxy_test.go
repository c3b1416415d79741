package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
)

// The page works below a path of a reverse proxy that removes the path, such as nginx with
// location /fetchbox/ { proxy_pass http://…/; }. All its requests are relative.
func TestPageBelowPathOfProxy(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: environment(nil)})
	target, err := url.Parse(box.url)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/fetchbox/", http.StripPrefix("/fetchbox", httputil.NewSingleHostReverseProxy(target)))
	proxy := httptest.NewServer(mux)
	t.Cleanup(func() {
		proxy.CloseClientConnections() // the page's log stream has no end
		proxy.Close()
	})
	b.open(proxy.URL + "/fetchbox/")
	b.waitFor(`document.querySelector('#ready').textContent === 'ready'`)
	b.click("#submit")
	b.waitFor(`document.querySelector('#jobs tr.selected[data-status=partial]') !== null`)
	b.waitFor(`document.querySelectorAll('#log .INFO').length === 2`)
	b.waitFor(`document.querySelector('#topics tr[data-topic="jobs.dlq"]') !== null`)
	require.Empty(t, b.consoleErrors())
	require.Empty(t, b.eval(`performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:') && !n.includes('/fetchbox/'))`))
}
