package api

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/manifest"
)

// readTimeout bounds the reading of a request body.
const readTimeout = 30 * time.Second

// readBody reads and decompresses the body. The size limit applies before and after decompression.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	const limit = manifest.MaxBytes
	// Errors are ignored: only test writers do not support deadlines.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(readTimeout))
	// A client that is still sending must not delay the stop.
	stop := context.AfterFunc(r.Context(), func() { _ = control.SetReadDeadline(time.Now()) })
	defer stop()
	if r.ContentLength > limit {
		discardBody(r, limit)
		return nil, tooLarge(limit)
	}
	body := io.Reader(http.MaxBytesReader(w, r.Body, limit))
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		decompressed, err := gzip.NewReader(body)
		if err != nil {
			return nil, readError(err, limit)
		}
		body = io.LimitReader(decompressed, limit+1)
	default:
		return nil, invalidPayload("the content encoding %q is not supported, gzip is", encoding)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, readError(err, limit)
	}
	if len(b) > limit {
		return nil, tooLarge(limit)
	}
	return b, nil
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
