package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// browser controls a headless Chromium with the W3C WebDriver protocol.
type browser struct {
	t       *testing.T
	client  http.Client
	session string
}

var driverPort = regexp.MustCompile(`started successfully on port (\d+)`)

// openBrowser starts a browser. It skips the test when chromedriver is not installed (Debian:
// chromium and chromium-driver).
func openBrowser(t *testing.T) *browser {
	t.Helper()
	driver, err := exec.LookPath("chromedriver")
	if err != nil {
		t.Skip("chromedriver is not installed: the page is not tested in a browser")
	}
	cmd := exec.Command(driver, "--port=0")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	port := ""
	lines := bufio.NewScanner(out)
	for port == "" && lines.Scan() {
		if found := driverPort.FindStringSubmatch(lines.Text()); found != nil {
			port = found[1]
		}
	}
	require.NotEmpty(t, port, "chromedriver did not start")
	read := make(chan struct{})
	go func() { // a full pipe would block chromedriver
		defer close(read)
		_, _ = io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() { <-read })
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	b := &browser{t: t, client: http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: waitTimeout}}
	b.session = "http://127.0.0.1:" + port + "/session"
	var made struct{ SessionID string }
	b.call(http.MethodPost, "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"browserName":        "chrome",
		"goog:chromeOptions": map[string]any{"args": []string{"--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1200,1400"}},
		"goog:loggingPrefs":  map[string]any{"browser": "ALL"},
	}}}, &made)
	b.session += "/" + made.SessionID
	t.Cleanup(func() { b.call(http.MethodDelete, "", nil, nil) })
	return b
}

// call sends a request of the protocol and decodes the value of the response.
func (b *browser) call(method, path string, body, into any) {
	b.t.Helper()
	var text []byte
	if body != nil {
		var err error
		text, err = json.Marshal(body)
		require.NoError(b.t, err)
	}
	r, err := http.NewRequest(method, b.session+path, bytes.NewReader(text))
	require.NoError(b.t, err)
	response, err := b.client.Do(r)
	require.NoError(b.t, err)
	defer func() { _ = response.Body.Close() }()
	var answer struct{ Value json.RawMessage }
	require.NoError(b.t, json.NewDecoder(response.Body).Decode(&answer))
	require.Equal(b.t, http.StatusOK, response.StatusCode, "%s %s: %s", method, path, answer.Value)
	if into != nil {
		require.NoError(b.t, json.Unmarshal(answer.Value, into))
	}
}

func (b *browser) open(url string) { b.call(http.MethodPost, "/url", map[string]any{"url": url}, nil) }

// eval returns the value of a JavaScript expression.
func (b *browser) eval(expression string) (value any) {
	b.t.Helper()
	b.call(http.MethodPost, "/execute/sync", map[string]any{"script": "return " + expression, "args": []any{}}, &value)
	return value
}

// waitFor waits until a JavaScript expression is true.
func (b *browser) waitFor(expression string) {
	b.t.Helper()
	for end := time.Now().Add(waitTimeout); b.eval(expression) != true; {
		if time.Now().After(end) {
			b.screenshot("failed")
			require.FailNow(b.t, "condition not met", "%s; text of the page:\n%v", expression, b.eval("document.body.innerText"))
		}
		time.Sleep(20 * time.Millisecond) // poll interval
	}
}

// click clicks an element like a user.
func (b *browser) click(selector string) {
	b.t.Helper()
	var element map[string]string
	b.call(http.MethodPost, "/element", map[string]any{"using": "css selector", "value": selector}, &element)
	for _, id := range element {
		b.call(http.MethodPost, "/element/"+id+"/click", map[string]any{}, nil)
	}
}

// resize emulates a device with a screen of the given size.
func (b *browser) resize(width, height int) {
	b.t.Helper()
	b.call(http.MethodPost, "/goog/cdp/execute", map[string]any{
		"cmd":    "Emulation.setDeviceMetricsOverride",
		"params": map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
	}, nil)
}

// consoleErrors returns the errors on the browser's console.
func (b *browser) consoleErrors() (errors []string) {
	b.t.Helper()
	var entries []struct{ Level, Message string }
	b.call(http.MethodPost, "/se/log", map[string]any{"type": "browser"}, &entries)
	for _, e := range entries {
		if e.Level == "SEVERE" {
			errors = append(errors, e.Message)
		}
	}
	return errors
}

// prefer emulates a user who prefers a color scheme, light or dark.
func (b *browser) prefer(scheme string) {
	b.t.Helper()
	b.call(http.MethodPost, "/goog/cdp/execute", map[string]any{
		"cmd":    "Emulation.setEmulatedMedia",
		"params": map[string]any{"features": []map[string]any{{"name": "prefers-color-scheme", "value": scheme}}},
	}, nil)
}

// screenshot writes a picture of the whole page to a file of this name in the directory that
// FXAPP_SCREENSHOTS names.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("FXAPP_SCREENSHOTS")
	if dir == "" {
		return
	}
	var picture struct{ Data string }
	b.call(http.MethodPost, "/goog/cdp/execute", map[string]any{
		"cmd": "Page.captureScreenshot", "params": map[string]any{"captureBeyondViewport": true},
	}, &picture)
	png, err := base64.StdEncoding.DecodeString(picture.Data)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}
