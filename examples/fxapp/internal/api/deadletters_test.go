package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// Two requests at a time read the topic of dead letters. More wait, and get 503 after 10 seconds.
func TestReadsOfDeadLettersAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.TempDir())
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		require.NoError(t, s.PutState(store.State{JobID: "j", Status: store.Failed}))
		none := http.NotFoundHandler()
		a := api.New(api.Params{
			Store: s, MaxStreams: 1, Live: none, Ready: none, Components: none, Metrics: none,
			DeadLetters: func(context.Context, string) ([]api.DeadLetter, int, error) {
				time.Sleep(8 * time.Second)
				return nil, 0, nil
			},
			Replay: func(context.Context, string) (api.Replayed, error) {
				time.Sleep(8 * time.Second)
				return api.Replayed{}, nil
			},
		})
		var requests sync.WaitGroup
		var responses []*httptest.ResponseRecorder
		for i := range 6 {
			w := httptest.NewRecorder()
			responses = append(responses, w)
			r := httptest.NewRequest(http.MethodGet, "/operators/jobs/j/dead-letters", http.NoBody)
			if i%2 == 1 {
				r = httptest.NewRequest(http.MethodPost, "/operators/jobs/j/replay", http.NoBody)
			}
			requests.Go(func() { a.ServeHTTP(w, r) })
			synctest.Wait() // they are served in their order
		}
		requests.Wait()
		for i, w := range responses {
			if i < 4 {
				require.Equal(t, http.StatusOK, w.Code)
				continue
			}
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			require.Equal(t, "1", w.Header().Get("Retry-After"))
		}
	})
}
