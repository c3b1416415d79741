package api

import (
	"errors"
	"net/http"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// maxListed bounds the jobs in a list.
const maxListed = 100

// state shows how far a job is.
func (a *API) state(w http.ResponseWriter, r *http.Request) error {
	state, err := a.stateOf(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	WriteJSON(w, http.StatusOK, state)
	return nil
}

// list shows the jobs that changed last.
func (a *API) list(w http.ResponseWriter, _ *http.Request) error {
	states, err := a.Store.Jobs(maxListed)
	if err != nil {
		return err
	}
	WriteJSON(w, http.StatusOK, struct {
		Jobs []store.State `json:"jobs"`
	}{states})
	return nil
}

func (a *API) stateOf(jobID string) (store.State, error) {
	state, err := a.Store.State(jobID)
	if errors.Is(err, store.ErrNotFound) {
		return store.State{}, notFound("job")
	}
	return state, err
}
