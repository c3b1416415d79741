package telemetry

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// ErrorType returns the class of an error for the attribute error.type. There are few classes,
// whatever the error's text is.
func ErrorType(err error) string {
	for _, class := range errorTypes {
		if errors.Is(err, class.err) {
			return class.name
		}
	}
	var status *iggyerr.StatusError
	if errors.As(err, &status) {
		return fmt.Sprintf("status_%d", uint32(status.Status))
	}
	var conn *iggyerr.ConnError
	if errors.As(err, &conn) {
		return "connection"
	}
	return "_OTHER" // the name in the semantic conventions
}

// errorTypes are in the order of their precedence: one error may match several.
var errorTypes = []struct {
	err  error
	name string
}{
	{iggyerr.ErrPanic, "panic"},
	{iggyerr.ErrClosed, "closed"},
	{iggyerr.ErrDeliveryTimeout, "delivery_timeout"},
	{iggyerr.ErrBufferFull, "buffer_full"},
	{iggyerr.ErrTooLarge, "too_large"},
	{iggyerr.ErrEmptyPayload, "empty_payload"},
	{iggyerr.ErrNotFound, "not_found"},
	{iggyerr.ErrCredentials, "credentials"},
	{iggyerr.ErrProtocol, "protocol"},
	{iggyerr.ErrNotConnected, "not_connected"},
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "timeout"},
}
