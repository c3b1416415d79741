package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// Downloader fetches resources. It is safe for concurrent use.
type Downloader struct {
	cfg    Config
	client *http.Client
}

// New returns a Downloader with the limits of cfg.
func New(cfg Config) *Downloader {
	return &Downloader{cfg: cfg, client: newClient(cfg)}
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
	failed.url = redactedURL(task.GetUrl())
	if d.cfg.MaxRetryAfter > 0 {
		failed.RetryAfter = min(failed.RetryAfter, d.cfg.MaxRetryAfter)
	}
	return size, failed
}

func (d *Downloader) fetch(ctx context.Context, task *jobspb.DownloadTask, w io.Writer) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, failed := newRequest(ctx, task)
	if failed != nil {
		return 0, failed
	}
	client := *d.client
	client.Jar = newCookieJar()
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if failed := statusError(response); failed != nil {
		discard(response.Body, cancel)
		return 0, failed
	}
	limit := int64(d.cfg.MaxBytes)
	if response.ContentLength > limit {
		return 0, fmt.Errorf("%w: %d bytes, and %d are allowed", errTooLarge, response.ContentLength, limit)
	}
	size, err := io.Copy(&destination{w}, io.LimitReader(response.Body, limit))
	if err == nil && size == limit {
		// One more byte tells whether the resource ends here.
		_, err = io.ReadFull(response.Body, make([]byte, 1))
		switch {
		case err == nil:
			err = fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
		case errors.Is(err, io.EOF):
			err = nil
		}
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
