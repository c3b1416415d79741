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

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// Config bounds a download.
type Config struct {
	// Timeout bounds one attempt, from the connection to the last byte.
	Timeout time.Duration `yaml:"timeout"`
	// MaxBytes bounds the size of a resource.
	MaxBytes int64 `yaml:"max_bytes"`
}

// Default allows a resource 30 seconds and 100 MiB.
func Default() Config { return Config{Timeout: 30 * time.Second, MaxBytes: 100 << 20} }

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	if c.Timeout <= 0 {
		errs = append(errs, &config.KeyError{Key: "timeout", Err: errors.New("must be more than 0")})
	}
	if c.MaxBytes <= 0 {
		errs = append(errs, &config.KeyError{Key: "max_bytes", Err: errors.New("must be more than 0")})
	}
	return errors.Join(errs...)
}

// Downloader fetches resources. It is safe for concurrent use.
type Downloader struct {
	cfg    Config
	client *http.Client
}

// New makes a Downloader.
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
			// The resource is stored as the server has it.
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

// Fetch writes the task's resource to w and returns its size in bytes. An error
// is the end of ctx, what w said, or an *Error; w may then hold a part of the
// resource.
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
		failed = ofTransport(err)
	}
	failed.Err = fmt.Errorf("GET %s: %w", shown(task.GetUrl()), failed.Err)
	return size, failed
}

func (d *Downloader) fetch(ctx context.Context, task *jobspb.DownloadTask, w io.Writer) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, task.GetUrl(), http.NoBody)
	if err != nil {
		return 0, &Error{Code: CodeURL, Err: plain(err)}
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
	if failed := ofStatus(response); failed != nil {
		return 0, failed
	}
	if response.ContentLength > d.cfg.MaxBytes {
		return 0, fmt.Errorf("%d bytes: %w (%d)", response.ContentLength, errTooLarge, d.cfg.MaxBytes)
	}
	size, err := io.Copy(&output{w}, io.LimitReader(response.Body, d.cfg.MaxBytes+1))
	if err == nil && size > d.cfg.MaxBytes {
		err = fmt.Errorf("%w (%d bytes)", errTooLarge, d.cfg.MaxBytes)
	}
	return size, err
}

// output tells errors of writing from those of reading.
type output struct{ w io.Writer }

type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}

// shown is a URL for logs and dead letters: its query and its password may be
// secrets.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an invalid URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
