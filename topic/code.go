package topic

import (
	"errors"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// The failure codes of this library. Handlers add codes of their own by errors that implement
// Coder.
const (
	// CodeDecode is the code of a message that cannot be decoded.
	CodeDecode = "VALIDATION_DECODE"
	// CodePanic is the code of a message whose handler panicked.
	CodePanic = "SYSTEM_PANIC"
	// CodeHandler is the code of a message whose handler returned an error without a code.
	CodeHandler = "HANDLER_ERROR"
	// CodeTimeout is the code of a message whose handler exceeded handler_timeout.
	CodeTimeout = "HANDLER_TIMEOUT"
)

// Coder is implemented by errors that have a failure code, such as DOWNLOAD_HTTP_4XX.
type Coder interface {
	error
	FailureCode() string
}

// CodeOf returns the failure code of a handler's error: that of the first Coder in its chain,
// CodePanic for a recovered panic, and CodeHandler otherwise.
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
