package api_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

const (
	waitTimeout  = 30 * time.Second
	pollInterval = 10 * time.Millisecond
)

func code(answer map[string]any) any { return answer["error"].(map[string]any)["code"] }

func TestIdempotencyKeyMakesRepetitionTheSameJob(t *testing.T) {
	t.Parallel()
	f := start(t)
	response, first := f.post(t, strings.NewReader(valid), "Idempotency-Key", "order 7")
	require.Equal(t, http.StatusAccepted, response.StatusCode, "%v", first)
	published := len(f.publisher.published)
	response, again := f.post(t, gzipped(t, []byte(valid)), "Idempotency-Key", "order 7", "Content-Encoding", "gzip")
	require.Equal(t, http.StatusAccepted, response.StatusCode)
	require.Equal(t, first, again)
	require.Len(t, f.publisher.published, published, "nothing was published again")

	_, other := f.post(t, strings.NewReader(valid), "Idempotency-Key", "order 8")
	require.NotEqual(t, first["job_id"], other["job_id"])
	_, none := f.post(t, strings.NewReader(valid))
	_, none2 := f.post(t, strings.NewReader(valid))
	require.NotEqual(t, none["job_id"], none2["job_id"], "without the header each request is a job")

	for _, headers := range [][]string{{}, {"X-Fetchbox-Job-Type", "videos"}} {
		body := valid
		if len(headers) == 0 {
			body = strings.Replace(valid, "acme", "other", 1)
		}
		response, answer := f.post(t, strings.NewReader(body), append(headers, "Idempotency-Key", "order 7")...)
		require.Equal(t, http.StatusUnprocessableEntity, response.StatusCode)
		require.Equal(t, "IDEMPOTENCY_KEY_REUSED", code(answer))
	}
	for _, key := range []string{strings.Repeat("k", 256), "käse"} {
		response, answer := f.post(t, strings.NewReader(valid), "Idempotency-Key", key)
		require.Equal(t, http.StatusBadRequest, response.StatusCode, "%v", answer)
	}
}

// A refused job does not use its key up.
func TestIdempotencyKeyOfRefusedJobIsFree(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.publisher.taskErr = errors.New("no server")
	response, _ := f.post(t, strings.NewReader(valid), "Idempotency-Key", "k")
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	f.publisher.taskErr = nil
	response, answer := f.post(t, strings.NewReader(valid), "Idempotency-Key", "k")
	require.Equal(t, http.StatusAccepted, response.StatusCode)
	canceled, err := f.store.IsCanceled(store.Job{Type: "images", ID: answer["job_id"].(string)})
	require.NoError(t, err)
	require.False(t, canceled, "it is another job than the refused one")
}

// Of concurrent requests one submits the job.
func TestIdempotencyKeyOfConcurrentRequests(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.publisher.delay = 100 * time.Millisecond
	var mu sync.Mutex
	var all sync.WaitGroup
	ids, codes := map[any]bool{}, map[int]int{}
	for range 5 {
		all.Go(func() {
			response, answer := f.post(t, strings.NewReader(valid), "Idempotency-Key", "k")
			mu.Lock()
			defer mu.Unlock()
			codes[response.StatusCode]++
			if response.StatusCode == http.StatusAccepted {
				ids[answer["job_id"]] = true
				return
			}
			if code(answer) != "CONFLICT" || response.Header.Get("Retry-After") == "" {
				t.Errorf("%v", answer)
			}
		})
	}
	all.Wait()
	require.Len(t, ids, 1, "%v", codes)
	require.Len(t, f.publisher.tasks, 2, "the tasks were published once")
}

// After a crash of the process that submitted a job, the key is not blocked for ever, and the job
// stays the same.
func TestIdempotencyKeyAfterCrash(t *testing.T) {
	t.Parallel()
	f := start(t)
	_, answer := f.post(t, strings.NewReader(valid), "Idempotency-Key", "k")
	id := answer["job_id"].(string)
	unfinished := func(age time.Duration) {
		key, created, err := f.store.CreateKey("k", store.Key{})
		require.NoError(t, err)
		require.False(t, created)
		key.Accepted, key.At = false, time.Now().Add(-age)
		require.NoError(t, f.store.PutKey("k", key))
	}
	unfinished(time.Second)
	response, answer := f.post(t, strings.NewReader(valid), "Idempotency-Key", "k")
	require.Equal(t, http.StatusConflict, response.StatusCode, "%v", answer)
	unfinished(time.Hour)
	response, answer = f.post(t, strings.NewReader(valid), "Idempotency-Key", "k")
	require.Equal(t, http.StatusAccepted, response.StatusCode, "%v", answer)
	require.Equal(t, id, answer["job_id"])
	require.Len(t, f.publisher.tasks, 4, "it was published again: nobody knows whether it was before")

	unfinished(time.Hour)
	require.NoError(t, f.store.Cancel(store.Job{Type: "images", ID: id}))
	response, answer = f.post(t, strings.NewReader(valid), "Idempotency-Key", "k")
	require.Equal(t, http.StatusAccepted, response.StatusCode, "%v", answer)
	require.NotEqual(t, id, answer["job_id"], "workers skip the tasks of a canceled job")
}
