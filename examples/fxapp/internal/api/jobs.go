package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// The numbers of jobs in a list: without a limit in the request, and at most.
const (
	defaultListedJobs = 100
	maxListedJobs     = 1000
)

// getJob serves the state of a job.
func (a *API) getJob(w http.ResponseWriter, r *http.Request) error {
	state, err := a.jobState(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	WriteJSON(w, http.StatusOK, withBoundedTexts(state))
	return nil
}

// listJobs serves the states of the jobs that changed last, by the time of their state, the newest one
// first. ?limit= is the number of jobs. more reports whether there are more.
func (a *API) listJobs(w http.ResponseWriter, r *http.Request) error {
	limit := defaultListedJobs
	if value := r.URL.Query().Get("limit"); value != "" {
		var err error
		if limit, err = strconv.Atoi(value); err != nil || limit < 1 || limit > maxListedJobs {
			return invalidPayload("limit must be 1 to %d", maxListedJobs)
		}
	}
	states, err := a.Store.Jobs(limit + 1)
	if err != nil {
		return err
	}
	more := len(states) > limit
	states = states[:min(limit, len(states))]
	slices.SortStableFunc(states, func(a, b store.State) int { return b.At.Compare(a.At) })
	for i := range states {
		states[i] = withBoundedTexts(states[i])
	}
	WriteJSON(w, http.StatusOK, struct {
		Jobs []store.State `json:"jobs"`
		More bool          `json:"more"`
	}{states, more})
	return nil
}

// withBoundedTexts returns a state with truncated texts: they come from servers and other programs.
func withBoundedTexts(state store.State) store.State {
	state.JobType = bounded.Text(state.JobType, maxMessage)
	state.LastError = bounded.Text(state.LastError, maxMessage)
	return state
}

func (a *API) jobState(jobID string) (store.State, error) {
	state, err := a.Store.State(jobID)
	if errors.Is(err, store.ErrNotFound) {
		return store.State{}, notFound("job")
	}
	return state, err
}
