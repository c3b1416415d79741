package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
)

// The error codes.
const (
	codeInvalid     = "INVALID_PAYLOAD"
	codeTooLarge    = "PAYLOAD_TOO_LARGE"
	codeNotFound    = "NOT_FOUND"
	codeMethod      = "METHOD_NOT_ALLOWED"
	codeForbidden   = "FORBIDDEN"
	codeConflict    = "CONFLICT"
	codeKeyReused   = "IDEMPOTENCY_KEY_REUSED"
	codeUnavailable = "UNAVAILABLE"
	codeInternal    = "INTERNAL"
)

// The limits of texts from outside in a response, in bytes.
const (
	maxQuoted  = 100
	maxMessage = 2 << 10
)

// httpError is an error with a response for the client.
type httpError struct {
	status  int
	code    string
	message string
	cause   error // for the log only
}

func (e *httpError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %v", e.message, e.cause)
	}
	return e.message
}

func (e *httpError) Unwrap() error { return e.cause }

func invalidPayload(format string, args ...any) error {
	return &httpError{
		status: http.StatusBadRequest, code: codeInvalid, message: fmt.Sprintf(format, args...),
	}
}

func tooLarge(limit int64) error {
	return &httpError{
		status: http.StatusRequestEntityTooLarge, code: codeTooLarge,
		message: fmt.Sprintf("the manifest must have at most %d bytes, also after decompression", limit),
	}
}

func notFound(what string) error {
	return &httpError{status: http.StatusNotFound, code: codeNotFound, message: "no such " + what}
}

func unavailable(message string, cause error) error {
	return &httpError{
		status: http.StatusServiceUnavailable, code: codeUnavailable, message: message, cause: cause,
	}
}

func asHTTPError(err error) *httpError {
	var e *httpError
	if !errors.As(err, &e) {
		e = &httpError{
			status: http.StatusInternalServerError, code: codeInternal, message: "internal error", cause: err,
		}
	}
	return e
}

func writeError(w http.ResponseWriter, e *httpError) {
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	if e.status == http.StatusServiceUnavailable || e.status == http.StatusConflict {
		w.Header().Set("Retry-After", "1")
	}
	WriteJSON(w, e.status, struct {
		Error detail `json:"error"`
	}{detail{e.code, bounded.Text(e.message, maxMessage)}})
}
