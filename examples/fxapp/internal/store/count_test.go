package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

func TestCountIgnoresRepeatedEvents(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	count, err := s.Count(job)
	require.NoError(t, err)
	require.Equal(t, store.Count{}, count)

	put(t, s, "a", "1")
	put(t, s, "a", "1")
	put(t, s, "b", "2")
	require.NoError(t, s.PutFailure(job, "c", store.Failure{Code: "DOWNLOAD_HTTP_4XX", Message: "404"}))
	require.NoError(t, s.PutFailure(job, "c", store.Failure{Code: "DOWNLOAD_HTTP_4XX", Message: "404"}))
	count, err = s.Count(job)
	require.NoError(t, err)
	require.EqualValues(t, 2, count.Completed)
	require.EqualValues(t, 1, count.Failed)
	require.Equal(t, "404", count.LastFailure.Message)

	put(t, s, "c", "3")
	count, err = s.Count(job)
	require.NoError(t, err)
	require.Equal(t, store.Count{Completed: 3}, count, "a resource that was replayed and downloaded is no longer failed")
}
