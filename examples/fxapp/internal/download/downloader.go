package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// Downloader fetches resources. It is safe for concurrent use.
type Downloader struct {
	cfg    Config
	client *http.Client
}

// New returns a Downloader with the limits of cfg.
func New(cfg Config) *Downloader {
	return &Downloader{cfg: cfg, client: &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: cfg.Timeout,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       30 * time.Second,
			ForceAttemptHTTP2:     true,
			// The resource is stored byte for byte.
			DisableCompression: true,
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) >= 10 {
				return errRedirects
			}
			return nil
		},
	}}
}

// Close closes idle connections.
func (d *Downloader) Close() { d.client.CloseIdleConnections() }

// Fetch downloads the task's resource to w and returns its size in bytes. The error is the cause of
// ctx, an error of w, or an *Error. After an error w may hold a part of the resource.
func (d *Downloader) Fetch(ctx context.Context, task *jobspb.DownloadTask, w io.Writer) (int64, error) {
	bounded, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	size, err := d.fetch(bounded, task, w)
	switch {
	case err == nil:
		return size, nil
	case ctx.Err() != nil:
		return size, context.Cause(ctx)
	}
	var writing *writeError
	if errors.As(err, &writing) {
		return size, writing.error
	}
	var failed *Error
	if !errors.As(err, &failed) {
		failed = transportError(err)
	}
	failed.Err = fmt.Errorf("GET %s: %w", redactedURL(task.GetUrl()), failed.Err)
	return size, failed
}

func (d *Downloader) fetch(ctx context.Context, task *jobspb.DownloadTask, w io.Writer) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, task.GetUrl(), http.NoBody)
	if err != nil {
		return 0, &Error{Code: CodeURL, Err: withoutURL(err)}
	}
	for _, h := range task.GetHeaders() {
		if h.GetName() == "host" {
			request.Host = h.GetValue()
			continue
		}
		request.Header.Add(h.GetName(), h.GetValue())
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "fetchbox")
	}
	response, err := d.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if failed := statusError(response); failed != nil {
		return 0, failed
	}
	if response.ContentLength > d.cfg.MaxBytes {
		return 0, fmt.Errorf("%d bytes: %w (%d)", response.ContentLength, errTooLarge, d.cfg.MaxBytes)
	}
	size, err := io.Copy(&destination{w}, io.LimitReader(response.Body, d.cfg.MaxBytes+1))
	if err == nil && size > d.cfg.MaxBytes {
		err = fmt.Errorf("%w (%d bytes)", errTooLarge, d.cfg.MaxBytes)
	}
	return size, err
}

// destination marks the errors of its writer, to distinguish them from errors of the download.
type destination struct{ w io.Writer }

type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

func (o *destination) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}

// redactedURL returns a URL without user, password, query and fragment, which may be secrets.
func redactedURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an invalid URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
