package download

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

const (
	maxURLBytes    = 16 << 10
	maxHeaderBytes = 64 << 10 // of all headers of a task
)

var (
	errURL         = errors.New("not an http or https URL with a host")
	errURLLength   = fmt.Errorf("the URL has more than %d bytes", maxURLBytes)
	errHeader      = errors.New("a header has a name or a value that HTTP forbids")
	errHeaderBytes = fmt.Errorf("the headers have more than %d bytes", maxHeaderBytes)
)

// newRequest returns the request for a task. A task for which there is none is not worth a retry.
func newRequest(ctx context.Context, task *jobspb.DownloadTask) (*http.Request, *Error) {
	if len(task.GetUrl()) > maxURLBytes {
		return nil, &Error{Code: CodeURL, Err: errURLLength}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, task.GetUrl(), http.NoBody)
	if err != nil || !isHTTP(request.URL) {
		return nil, &Error{Code: CodeURL, Err: errURL} // err quotes the URL
	}
	request.URL.RawQuery = encodedQuery(request.URL.RawQuery)
	size := 0
	for _, h := range task.GetHeaders() {
		name, value := h.GetName(), h.GetValue()
		isHost := http.CanonicalHeaderKey(name) == "Host"
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) ||
			isHost && !httpguts.ValidHostHeader(value) {
			return nil, &Error{Code: CodeHeader, Err: errHeader}
		}
		if size += len(name) + len(value); size > maxHeaderBytes {
			return nil, &Error{Code: CodeHeader, Err: errHeaderBytes}
		}
		if isHost {
			request.Host = value
			continue
		}
		request.Header.Add(name, value)
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", userAgent)
	}
	return request, nil
}

// HostOf returns the host of a task's URL with its port; empty when the URL has none.
func HostOf(task *jobspb.DownloadTask) string {
	u, err := url.Parse(task.GetUrl())
	if err != nil || !isHTTP(u) {
		return ""
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port(u))
}

// encodedQuery encodes the bytes that a query must not have, as browsers do: a space would end the URL
// of the request. The rest stays as it is, since it may be signed. net/url encodes the path.
func encodedQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// redactedURL returns a URL without user, password, query and fragment, which may be secrets.
func redactedURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an invalid URL"
	}
	redacted := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return redacted.String()
}
