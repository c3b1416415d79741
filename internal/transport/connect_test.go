package transport_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestCauseOf(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	require.Equal(t, broken, transport.CauseOf(t.Context(), broken))
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	require.Equal(t, cause, transport.CauseOf(ctx, broken))
	// A socket whose deadline is the context's may be a moment ahead of it.
	deadline := time.Now().Add(time.Millisecond)
	ctx, stop := context.WithDeadlineCause(t.Context(), deadline, cause)
	defer stop()
	for time.Now().Before(deadline) {
		require.Equal(t, broken, transport.CauseOf(t.Context(), broken))
	}
	require.Equal(t, cause, transport.CauseOf(ctx, os.ErrDeadlineExceeded))
}
