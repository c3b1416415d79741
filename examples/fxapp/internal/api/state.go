package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/overview"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

// maxListed bounds the jobs in a list.
const maxListed = 100

// topicsTimeout bounds the wait for the server.
const topicsTimeout = 5 * time.Second

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

// topics shows the topics on the server, and how far their groups are behind.
func (a *API) topics(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), topicsTimeout)
	defer cancel()
	topics, err := a.Topics(ctx)
	if err != nil {
		// The page asks again and again: its log would hold nothing else while Iggy is away.
		writeFailure(w, asFailure(unavailable("the server's topics could not be read", err)))
		return nil
	}
	WriteJSON(w, http.StatusOK, struct {
		Topics []overview.Topic `json:"topics"`
	}{topics})
	return nil
}

func (a *API) stateOf(jobID string) (store.State, error) {
	state, err := a.Store.State(jobID)
	if errors.Is(err, store.ErrNotFound) {
		return store.State{}, notFound("job")
	}
	return state, err
}
