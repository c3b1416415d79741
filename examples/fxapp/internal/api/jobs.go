package api

import (
	"errors"
	"net/http"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// maxListedJobs is the number of jobs in the list.
const maxListedJobs = 100

// getJob serves the state of a job.
func (a *API) getJob(w http.ResponseWriter, r *http.Request) error {
	state, err := a.jobState(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	WriteJSON(w, http.StatusOK, state)
	return nil
}

// listJobs serves the states of the jobs that changed last.
func (a *API) listJobs(w http.ResponseWriter, _ *http.Request) error {
	states, err := a.Store.Jobs(maxListedJobs)
	if err != nil {
		return err
	}
	WriteJSON(w, http.StatusOK, struct {
		Jobs []store.State `json:"jobs"`
	}{states})
	return nil
}

func (a *API) jobState(jobID string) (store.State, error) {
	state, err := a.Store.State(jobID)
	if errors.Is(err, store.ErrNotFound) {
		return store.State{}, notFound("job")
	}
	return state, err
}
