package topic

import (
	"errors"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// The failure codes that this library gives by itself. Handlers add their own
// by an error with a FailureCode method.
const (
	CodeDecode  = "VALIDATION_DECODE"
	CodePanic   = "SYSTEM_PANIC"
	CodeHandler = "HANDLER_ERROR"
	CodeTimeout = "HANDLER_TIMEOUT"
)

// Coder is implemented by errors that know their failure code, such as
// DOWNLOAD_HTTP_4XX.
type Coder interface {
	error
	FailureCode() string
}

// CodeOf is the failure code of a handler's error: what the first Coder in its
// chain says, SYSTEM_PANIC for a recovered panic, HANDLER_ERROR otherwise.
func CodeOf(err error) string {
	var coder Coder
	switch {
	case errors.As(err, &coder) && coder.FailureCode() != "":
		return coder.FailureCode()
	case errors.Is(err, iggyerr.ErrPanic):
		return CodePanic
	default:
		return CodeHandler
	}
}
