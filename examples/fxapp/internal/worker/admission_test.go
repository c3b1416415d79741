package worker_test

import (
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// requirePostponed requires that err has a task wait without counting its delivery.
func requirePostponed(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, reflect.TypeOf(consumer.Postpone(0, nil)), reflect.TypeOf(err), "%v", err)
}

// The other tasks of a host that asks for time wait. They fail no attempt, and other hosts go on.
func TestTasksOfAHostThatAsksForTimeWait(t *testing.T) {
	t.Parallel()
	f, other := start(t), start(t)
	err := f.Process(t.Context(), f.task("busy"), origin, 1)
	require.Equal(t, "DOWNLOAD_HTTP_5XX", topic.CodeOf(err))
	require.Equal(t, consumer.RetryAfter(time.Hour, errors.Unwrap(err)), err)
	logs := len(f.published.logs)
	requirePostponed(t, f.Process(t.Context(), f.task("a"), origin, 1))
	require.Zero(t, f.requests["/a"])
	require.Len(t, f.published.logs, logs)
	elsewhere := f.task("a")
	elsewhere.Url = other.http.URL + "/a"
	require.NoError(t, f.Process(t.Context(), elsewhere, origin, 1))
}

func TestTasksOfAHostWithManyDownloadsWait(t *testing.T) {
	t.Parallel()
	f := start(t)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { _ = f.Process(t.Context(), f.task("stall"), origin, 1) })
		<-f.stalled
	}
	requirePostponed(t, f.Process(t.Context(), f.task("a"), origin, 1))
	close(f.release)
	wg.Wait()
	require.Eventually(t, func() bool { return f.Process(t.Context(), f.task("a"), origin, 1) == nil }, 10*time.Second, 10*time.Millisecond)
}
