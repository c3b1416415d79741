package download

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The failure codes of a download.
const (
	CodeTimeout   = "DOWNLOAD_TIMEOUT"
	CodeDNS       = "DOWNLOAD_DNS"
	CodeNetwork   = "DOWNLOAD_NETWORK"
	CodeTLS       = "DOWNLOAD_TLS"
	CodeURL       = "DOWNLOAD_URL"
	CodeRedirects = "DOWNLOAD_REDIRECTS"
	CodeTooLarge  = "DOWNLOAD_TOO_LARGE"
	CodeHTTP3xx   = "DOWNLOAD_HTTP_3XX"
	CodeHTTP4xx   = "DOWNLOAD_HTTP_4XX"
	CodeHTTP5xx   = "DOWNLOAD_HTTP_5XX"
)

// Error is a failed download.
type Error struct {
	// Code classifies the failure.
	Code string
	// Retryable reports whether another attempt may succeed: after timeouts, DNS errors, broken
	// connections, and the status codes 5xx, 408, 429 and 499.
	Retryable bool
	// RetryAfter is the delay that the server asks for, 0 for none.
	RetryAfter time.Duration
	// Err is the cause.
	Err error
}

// Error describes the failure, without the query and the credentials of the URL.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// FailureCode returns Code.
func (e *Error) FailureCode() string { return e.Code }

var (
	errTooLarge  = errors.New("larger than allowed")
	errRedirects = errors.New("more than 10 redirects")
)

// statusError returns the error of a response without success, nil for 2xx.
func statusError(r *http.Response) *Error {
	e := &Error{Err: fmt.Errorf("status %s", r.Status)}
	switch code := r.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 500:
		e.Code, e.Retryable = CodeHTTP5xx, true
	case code >= 400:
		e.Code = CodeHTTP4xx
		e.Retryable = code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code == 499
	default:
		e.Code = CodeHTTP3xx
	}
	if e.Retryable {
		e.RetryAfter = retryAfter(r.Header.Get("Retry-After"), time.Now())
	}
	return e
}

// retryAfter parses a Retry-After header: seconds or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := time.ParseDuration(strings.TrimSpace(value) + "s"); err == nil && seconds > 0 {
		return seconds
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// transportError classifies the error of a request without a complete response.
func transportError(err error) *Error {
	e := &Error{Code: CodeNetwork, Retryable: true, Err: withoutURL(err)}
	var (
		dns    *net.DNSError
		netErr net.Error
		verify *tls.CertificateVerificationError
		header tls.RecordHeaderError
		alert  tls.AlertError
		port   *net.AddrError
	)
	switch {
	case errors.Is(err, errTooLarge):
		e.Code, e.Retryable = CodeTooLarge, false
	case errors.Is(err, errRedirects):
		e.Code, e.Retryable = CodeRedirects, false
	case errors.As(err, &verify), errors.As(err, &header), errors.As(err, &alert),
		errors.Is(err, http.ErrSchemeMismatch):
		e.Code, e.Retryable = CodeTLS, false
	case errors.As(err, &port): // above 65535
		e.Code, e.Retryable = CodeURL, false
	case errors.As(err, &dns):
		e.Code = CodeDNS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		e.Code = CodeTimeout
	case strings.Contains(err.Error(), "unsupported protocol scheme"):
		e.Code, e.Retryable = CodeURL, false // in a redirect
	}
	return e
}

// withoutURL returns err without the URL that net/http adds, which may hold secrets.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
