package worker_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestFailedAttemptIsLogged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		id, code string
		logs     int
	}{
		{"missing", "DOWNLOAD_HTTP_4XX", 1},
		{"busy", "DOWNLOAD_HTTP_5XX", 1},
		{"cut", "DOWNLOAD_NETWORK", 1},
		{"binary", "DOWNLOAD_HTTP_4XX", 1}, // a long status line that is not UTF-8
	} {
		f := start(t)
		err := f.Process(t.Context(), f.task(tt.id), origin, 1)
		require.Error(t, err)
		require.Equal(t, tt.code, topic.CodeOf(err), tt.id)
		require.Equal(t, []string{tt.id + " attempt failed " + tt.code}, f.published.logs)
		has, err := f.store.HasResource(job, tt.id)
		require.NoError(t, err)
		require.False(t, has, "an incomplete resource is not stored")
	}
}

func TestStopIsNotATaskFailure(t *testing.T) {
	t.Parallel()
	f := start(t)
	stopping := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopping)
	require.ErrorIs(t, f.Process(ctx, f.task("a"), origin, 1), stopping)
	require.Empty(t, f.published.logs)
}
