package api

import "net/http"

// Replayed counts the dead letters of a replay.
type Replayed struct {
	// Replayed counts those whose tasks were published again.
	Replayed int `json:"replayed"`
	// Skipped counts those that can't be replayed, or that somebody else replays.
	Skipped int `json:"skipped"`
	// Failed counts those whose tasks could not be published.
	Failed int `json:"failed"`
}

// replay publishes the tasks of a job's open dead letters again. It does nothing for dead letters
// that were replayed before.
func (a *API) replay(w http.ResponseWriter, r *http.Request) error {
	jobID := r.PathValue("job_id")
	if _, err := a.jobState(jobID); err != nil {
		return err
	}
	replayed, err := a.Replay(r.Context(), jobID)
	if err != nil {
		return unavailable("the dead letters could not be replayed, try again", err)
	}
	WriteJSON(w, http.StatusOK, replayed)
	return nil
}
