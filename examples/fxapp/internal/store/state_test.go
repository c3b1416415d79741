package store_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

func TestStateIsTheLatest(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	_, err := s.State("job-1")
	require.ErrorIs(t, err, store.ErrNotFound)
	states := []store.State{
		{Status: store.Queued, Total: 3},
		{Status: store.InProgress, Total: 3},
		{Status: store.InProgress, Total: 3, Failed: 1},
		{Status: store.InProgress, Total: 3, Completed: 1},
		{Status: store.Partial, Total: 3, Completed: 2, Failed: 1},
		{Status: store.Completed, Total: 3, Completed: 3},
	}
	for i := range states {
		states[i].JobID, states[i].JobType = "job-1", "images"
	}
	for i, state := range states {
		require.NoError(t, s.PutState(state))
		for _, earlier := range states[:i+1] {
			require.NoError(t, s.PutState(earlier), "late and doubled states")
		}
		got, err := s.State("job-1")
		require.NoError(t, err)
		require.Equal(t, state, got)
	}
	jobs, err := s.Jobs(10)
	require.NoError(t, err)
	require.Equal(t, states[len(states)-1:], jobs)
}

func TestStateWithSeveralProcesses(t *testing.T) {
	t.Parallel()
	a, dir := open(t)
	b, err := store.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	const n = 100
	var wg sync.WaitGroup
	for _, s := range []*store.Store{a, b} {
		wg.Go(func() {
			for i := range n {
				if err := s.PutState(store.State{JobID: "j", Status: store.InProgress, Total: n, Completed: uint32(i + 1)}); err != nil {
					t.Error(err)
				}
				if got, err := s.State("j"); err != nil || got.Completed < uint32(i+1) {
					t.Errorf("%v, %v: fell behind %d", got, err, i+1)
				}
			}
		})
	}
	wg.Wait()
	got, err := a.State("j")
	require.NoError(t, err)
	require.EqualValues(t, n, got.Completed)
}
