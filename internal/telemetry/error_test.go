package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

func TestErrorsHaveFewTypes(t *testing.T) {
	t.Parallel()
	lost := &iggyerr.ConnError{Op: "send", Addr: "127.0.0.1:8090", Err: errors.New("connection reset by peer")}
	for want, err := range map[string]error{
		"closed":           fmt.Errorf("%w, the last attempt: %w", iggyerr.ErrClosed, lost),
		"delivery_timeout": fmt.Errorf("%w: %w", iggyerr.ErrDeliveryTimeout, lost),
		"not_found":        &iggyerr.StatusError{Status: iggyerr.StatusGroupNotFound},
		"status_3009":      &iggyerr.StatusError{Status: 3009},
		"connection":       fmt.Errorf("iggy: send: %w", lost),
		"canceled":         context.Canceled,
		"timeout":          fmt.Errorf("wait: %w", context.DeadlineExceeded),
		"panic":            &iggyerr.PanicError{Value: "x"},
		"_OTHER":           errors.New("job 17 has no resource 4"),
	} {
		require.Equal(t, want, telemetry.ErrorType(err))
	}
}
