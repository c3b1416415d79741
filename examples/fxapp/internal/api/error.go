package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// The error codes.
const (
	codeInvalid     = "INVALID_PAYLOAD"
	codeTooLarge    = "PAYLOAD_TOO_LARGE"
	codeNotFound    = "NOT_FOUND"
	codeMethod      = "METHOD_NOT_ALLOWED"
	codeUnavailable = "UNAVAILABLE"
	codeInternal    = "INTERNAL"
)

// failure is an error that the caller is told.
type failure struct {
	status  int
	code    string
	message string
	cause   error // for the log
}

func (f *failure) Error() string {
	if f.cause != nil {
		return fmt.Sprintf("%s: %v", f.message, f.cause)
	}
	return f.message
}

func (f *failure) Unwrap() error { return f.cause }

func invalid(format string, args ...any) error {
	return &failure{status: http.StatusBadRequest, code: codeInvalid, message: fmt.Sprintf(format, args...)}
}

func tooLarge(limit int64) error {
	return &failure{
		status: http.StatusRequestEntityTooLarge, code: codeTooLarge,
		message: fmt.Sprintf("the manifest must have at most %d bytes, also when it is unpacked", limit),
	}
}

func notFound(what string) error {
	return &failure{status: http.StatusNotFound, code: codeNotFound, message: "there is no such " + what}
}

func unavailable(message string, cause error) error {
	return &failure{status: http.StatusServiceUnavailable, code: codeUnavailable, message: message, cause: cause}
}

func asFailure(err error) *failure {
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{status: http.StatusInternalServerError, code: codeInternal, message: "something went wrong here", cause: err}
	}
	return f
}

func writeFailure(w http.ResponseWriter, f *failure) {
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	WriteJSON(w, f.status, struct {
		Error detail `json:"error"`
	}{detail{f.code, f.message}})
}

// WriteJSON answers with v as JSON, which nobody may cache.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, `{"error":{"code":"INTERNAL","message":"the answer could not be encoded"}}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
