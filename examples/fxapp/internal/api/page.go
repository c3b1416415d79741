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
var pageHTML []byte

// contentSecurityPolicy allows the page its own script and style and requests to this server, and
// nothing else.
var contentSecurityPolicy = fmt.Sprintf("default-src 'none'; connect-src 'self'; img-src data:; "+
	"script-src '%s'; style-src '%s'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	sourceHash("<script>", "</script>"), sourceHash("<style>", "</style>"))

// sourceHash returns the hash source of the page's text between two tags, for the policy.
func sourceHash(begin, end string) string {
	_, rest, _ := bytes.Cut(pageHTML, []byte(begin))
	text, _, _ := bytes.Cut(rest, []byte(end))
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// servePage serves the web page for operators.
func (a *API) servePage(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(pageHTML)
	return nil
}
