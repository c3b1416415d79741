package download

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// maxResponseHeaderBytes bounds the status line and the headers of a response.
const maxResponseHeaderBytes = 64 << 10

const userAgent = "fetchbox"

// newClient returns a client whose requests carry a task's headers to the task's origin only, and
// whose errors don't quote a redirect.
func newClient(cfg Config) *http.Client {
	return &http.Client{
		Transport: &transport{&http.Transport{
			Proxy:                  proxy,
			DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  cfg.Timeout,
			MaxResponseHeaderBytes: maxResponseHeaderBytes,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
			// The resource is stored byte for byte.
			DisableCompression: true,
		}},
		CheckRedirect: checkRedirect,
	}
}

// newCookieJar returns a jar for the requests of one attempt. Some servers redirect to the same URL,
// over and over, until a cookie that they have set comes back. Cookies don't pass from task to task.
func newCookieJar() http.CookieJar {
	jar, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // the error is always nil
	return jar
}

// The limits of what is read of a body that nobody wants, so that its connection can be used again.
const (
	maxDiscardedBytes = 64 << 10
	discardTimeout    = time.Second
)

// discard reads the body of an error, so that the next request needs no new connection. A body that is
// long or slow is not worth it: cancel ends the request.
func discard(body io.Reader, cancel context.CancelFunc) {
	defer time.AfterFunc(discardTimeout, cancel).Stop()
	_, _ = io.CopyN(io.Discard, body, maxDiscardedBytes)
}

// proxy returns the proxy of the environment.
func proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errProxy // the error quotes the URL, which may have a password
	}
	return u, nil
}

// transport refuses redirects that can't be followed, since the errors of http.Client quote them.
type transport struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		location := response.Header.Get("Location")
		if location == "" {
			break
		}
		if u, err := r.URL.Parse(location); err != nil || !isHTTP(u) {
			_ = response.Body.Close()
			return nil, errLocation
		}
	}
	return response, nil
}

func isHTTP(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// checkRedirect prepares the request that follows a redirect. The headers of the task may be
// secrets of its origin; net/http holds back only some of them, and sends the last URL as Referer.
func checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errRedirects
	}
	next.URL.RawQuery = encodedQuery(next.URL.RawQuery)
	task := via[0]
	switch {
	case !isSameOrigin(task.URL, next.URL):
		next.Host = ""
		next.Header = http.Header{"User-Agent": {userAgent}}
	case task.Header.Get("Referer") == "":
		next.Header.Del("Referer")
	}
	return nil
}

// isSameOrigin reports whether two URLs have the same scheme, host and port.
func isSameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

var (
	errLocation  = errors.New("redirect to something that is no http or https URL")
	errProxy     = errors.New("the proxy of the environment has no valid URL")
	errRedirects = errors.New("more than 10 redirects")
)
