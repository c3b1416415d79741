package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/manifest"
)

const (
	// readTimeout bounds the reading of a request body.
	readTimeout = 30 * time.Second
	// discardTimeout bounds the reading of the body of a refused request.
	discardTimeout = 2 * time.Second
)

// maxBodies bounds the memory of all request bodies together. While it is used up, jobs are refused
// with 503, whose callers try again.
const maxBodies = 32 << 20

// errBodies is the error of a body for which there is no memory.
var errBodies = errors.New("too many jobs are being submitted, try again")

// body is the body of a request. Its memory grows with what has arrived, within a budget that all
// bodies share: a client that announces much and sends little holds little.
type body struct {
	budget *semaphore.Weighted
	data   []byte
}

// readFrom reads r to its end. It returns errBodies when the budget is used up, and reads at most
// one byte more than limit.
func (b *body) readFrom(r io.Reader, limit int) error {
	for {
		if len(b.data) == cap(b.data) {
			if err := b.grow(min(max(2*cap(b.data), 4<<10), limit+1)); err != nil {
				return err
			}
		}
		n, err := r.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		switch {
		case errors.Is(err, io.EOF), len(b.data) > limit:
			return nil
		case err != nil:
			return err
		}
	}
}

// grow replaces the memory of the body by size bytes.
func (b *body) grow(size int) error {
	if !b.budget.TryAcquire(int64(size)) {
		return errBodies
	}
	data := append(make([]byte, 0, size), b.data...)
	b.budget.Release(int64(cap(b.data)))
	b.data = data[:len(data):size]
	return nil
}

// release returns the memory to the budget. The body must not be used afterwards.
func (b *body) release() {
	b.budget.Release(int64(cap(b.data)))
	b.data = nil
}

// text returns what was read, without a byte order mark.
func (b *body) text() []byte { return bytes.TrimPrefix(b.data, []byte("\ufeff")) }

// readBody reads and decompresses the body of r into b. The size limit applies before and after
// decompression.
func readBody(w http.ResponseWriter, r *http.Request, b *body) error {
	const limit = manifest.MaxBytes
	// Errors are ignored: only test writers do not support deadlines.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(readTimeout))
	// A client that is still sending must not delay the stop.
	stop := context.AfterFunc(r.Context(), func() { _ = control.SetReadDeadline(time.Now()) })
	defer stop()
	if r.ContentLength > limit {
		_ = control.SetReadDeadline(time.Now().Add(discardTimeout))
		discardBody(r, limit)
		return tooLarge(limit)
	}
	in := io.Reader(http.MaxBytesReader(w, r.Body, limit))
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		decompressed, err := gzip.NewReader(in)
		if err != nil {
			return readError(err, limit)
		}
		in = decompressed
	default:
		return invalidPayload("the content encoding %q is not supported, gzip is", bounded.Text(encoding, maxQuoted))
	}
	err := b.readFrom(in, limit)
	switch {
	case errors.Is(err, errBodies):
		_ = control.SetReadDeadline(time.Now().Add(discardTimeout))
		discardBody(r, limit)
		return unavailable(errBodies.Error(), nil)
	case err != nil:
		return readError(err, limit)
	case len(b.data) > limit:
		return tooLarge(limit)
	}
	return nil
}

// discardBody reads a body that is only somewhat too large, since a client that is still sending
// when the connection closes may not see the response. A client that sends "Expect: 100-continue"
// sees it anyway.
func discardBody(r *http.Request, limit int64) {
	if r.Header.Get("Expect") == "" && r.ContentLength <= 4*limit {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// readError returns the response to an error of reading the body.
func readError(err error, limit int64) error {
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return tooLarge(limit)
	}
	return invalidPayload("the body could not be read: %v", err)
}
