package download

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
)

// The failure codes of a download.
const (
	CodeTimeout   = "DOWNLOAD_TIMEOUT"
	CodeDNS       = "DOWNLOAD_DNS"
	CodeNetwork   = "DOWNLOAD_NETWORK"
	CodeTLS       = "DOWNLOAD_TLS"
	CodeURL       = "DOWNLOAD_URL"
	CodeHeader    = "DOWNLOAD_HEADER"
	CodeRedirects = "DOWNLOAD_REDIRECTS"
	CodeTooLarge  = "DOWNLOAD_TOO_LARGE"
	CodeHTTP2xx   = "DOWNLOAD_HTTP_2XX" // not the whole resource
	CodeHTTP3xx   = "DOWNLOAD_HTTP_3XX"
	CodeHTTP4xx   = "DOWNLOAD_HTTP_4XX"
	CodeHTTP5xx   = "DOWNLOAD_HTTP_5XX"
	CodeHTTP      = "DOWNLOAD_HTTP_STATUS" // a status code that HTTP does not know
)

// Error is a failed download.
type Error struct {
	// Code classifies the failure.
	Code string
	// Retryable reports whether another attempt may succeed: after timeouts, DNS errors, broken
	// connections, and the status codes 5xx, 408, 429 and 499.
	Retryable bool
	// RetryAfter is the delay that the server asks for, at most Config.MaxRetryAfter; 0 for none.
	RetryAfter time.Duration
	// Err is the cause.
	Err error

	url string // without what may be secret
}

// maxTextBytes bounds the text of an error: parts of it come from servers.
const maxTextBytes = 1 << 10

// Error describes the failure, without the query and the credentials of the URL.
func (e *Error) Error() string {
	return bounded.Text("GET "+bounded.Text(e.url, maxTextBytes/2)+": "+e.Err.Error(), maxTextBytes)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// FailureCode returns Code.
func (e *Error) FailureCode() string { return e.Code }

// statusError returns the error of a response without the resource, nil for one with it. The reason phrase is
// left out: HTTP gives it no meaning, and a server may write anything there.
func statusError(r *http.Response) *Error {
	e := &Error{Err: errors.New(strings.TrimSpace(fmt.Sprintf("status %d %s", r.StatusCode, http.StatusText(r.StatusCode))))}
	switch code := r.StatusCode; {
	case code == http.StatusPartialContent && r.Request.Header.Get("Range") == "":
		e.Code = CodeHTTP2xx
		e.Err = errors.New("status 206: a part of the resource, which was not asked for")
	case code == http.StatusAccepted, code == http.StatusNoContent, code == http.StatusResetContent:
		e.Code = CodeHTTP2xx // without the resource: not an empty one
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		e.Code = CodeHTTP3xx
	case code >= 400 && code < 500:
		e.Code = CodeHTTP4xx
		e.Retryable = code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code == 499
	case code >= 500 && code < 600:
		e.Code, e.Retryable = CodeHTTP5xx, true
	default:
		e.Code = CodeHTTP
	}
	if e.Retryable {
		e.RetryAfter = retryAfter(r.Header.Get("Retry-After"), time.Now())
	}
	return e
}

// retryAfter parses a Retry-After header: seconds or a date. Any number of seconds is one.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > math.MaxInt64/int64(time.Second) {
			return math.MaxInt64
		}
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

var (
	errTooLarge = errors.New("larger than allowed")
	errTimeout  = errors.New("timeout")
	errPort     = errors.New("a port above 65535")
	errProtocol = errors.New("the connection broke, or the response is not valid HTTP")
)

// transportError classifies the error of a request without a complete response. The errors of
// net/http may quote what the server sent, and so what the task sent to it: they are replaced, except
// for those that are known to quote nothing.
func transportError(err error) *Error {
	var (
		dns    *net.DNSError
		op     *net.OpError
		netErr net.Error
		verify *tls.CertificateVerificationError
		header tls.RecordHeaderError
		alert  tls.AlertError
		port   *net.AddrError
	)
	known := func(code string, err error) *Error { return &Error{Code: code, Err: err} }
	retryable := func(code string, err error) *Error { return &Error{Code: code, Err: err, Retryable: true} }
	switch {
	case errors.Is(err, errTooLarge):
		return known(CodeTooLarge, err)
	case strings.Contains(err.Error(), "response headers exceeded"), strings.Contains(err.Error(), "response header list larger"):
		return known(CodeTooLarge, fmt.Errorf("headers of the response %w: more than %d bytes", errTooLarge, maxResponseHeaderBytes))
	case errors.Is(err, errRedirects):
		return known(CodeRedirects, errRedirects)
	case errors.Is(err, errLocation):
		return known(CodeURL, errLocation)
	case errors.Is(err, errProxy):
		return retryable(CodeNetwork, errProxy)
	case errors.As(err, &verify):
		return known(CodeTLS, verify)
	case errors.As(err, &header):
		return known(CodeTLS, header)
	case errors.As(err, &alert):
		return known(CodeTLS, alert)
	case errors.Is(err, http.ErrSchemeMismatch):
		return known(CodeTLS, http.ErrSchemeMismatch)
	case errors.As(err, &port):
		return known(CodeURL, errPort)
	case errors.As(err, &dns) && strings.Contains(dns.Err, syscall.EMFILE.Error()):
		return retryable(CodeDNS, fmt.Errorf("%w: %w", dns, syscall.EMFILE)) // the resolver hides it
	case errors.As(err, &dns):
		return retryable(CodeDNS, dns)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return retryable(CodeTimeout, errTimeout)
	case errors.As(err, &op) && op.Op != "proxyconnect":
		return retryable(CodeNetwork, op)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return retryable(CodeNetwork, io.ErrUnexpectedEOF)
	}
	return retryable(CodeNetwork, errProtocol)
}
