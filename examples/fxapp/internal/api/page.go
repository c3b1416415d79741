package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"fmt"
	"net/http"
)

//go:embed page.html
var page []byte

// policy lets the page run its own script and style, talk to this server, and
// nothing else.
var policy = fmt.Sprintf("default-src 'none'; connect-src 'self'; img-src data:; script-src '%s'; style-src '%s'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	hashOf("<script>", "</script>"), hashOf("<style>", "</style>"))

// hashOf names what stands between two marks in the page, as a policy does.
func hashOf(begin, end string) string {
	_, rest, _ := bytes.Cut(page, []byte(begin))
	text, _, _ := bytes.Cut(rest, []byte(end))
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// home is the page for people.
func (a *API) home(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(page)
	return nil
}
