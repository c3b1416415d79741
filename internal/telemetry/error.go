package telemetry

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// ErrorType is the class of an error for the attribute error.type: few values, whatever
// the error's text holds.
func ErrorType(err error) string {
	for _, class := range classes {
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
	return "_OTHER" // the conventions' own name for it
}

// classes are in the order of their significance, since one error may match several.
var classes = []struct {
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
