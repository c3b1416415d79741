package api

import (
	"context"
	"net/http"
	"time"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
)

// DeadLetter is a dead letter of a job.
type DeadLetter struct {
	// Position is where it is in its topic: partition/offset.
	Position   string    `json:"position"`
	ResourceID string    `json:"resource_id"`
	Code       string    `json:"code"`
	Cause      string    `json:"cause"`
	FailedAt   time.Time `json:"failed_at"`
	// State is open, claimed, replayed or dropped.
	State string `json:"state"`
}

// MaxDeadLetters bounds the dead letters in a list.
const MaxDeadLetters = 100

const (
	// maxLetterReads bounds the requests at the same time that read the topic of dead letters, which
	// each does from its beginning. More wait.
	maxLetterReads = 2
	// lettersWait bounds their wait.
	lettersWait = 10 * time.Second
)

// Replayed counts the dead letters of a replay.
type Replayed struct {
	// Replayed counts those whose tasks were published again.
	Replayed int `json:"replayed"`
	// Skipped counts those that can't be replayed, or that somebody else replays.
	Skipped int `json:"skipped"`
	// Failed counts those whose tasks could not be published.
	Failed int `json:"failed"`
}

// listDeadLetters serves the first dead letters of a job, and how many there are.
func (a *API) listDeadLetters(w http.ResponseWriter, r *http.Request) error {
	jobID := r.PathValue("job_id")
	if _, err := a.jobState(jobID); err != nil {
		return err
	}
	release, err := a.acquireLetters(r)
	if err != nil {
		return err
	}
	defer release()
	letters, total, err := a.DeadLetters(r.Context(), jobID)
	if err != nil {
		return unavailable("the dead letters could not be read, try again", err)
	}
	for i := range letters {
		letters[i].ResourceID = bounded.Text(letters[i].ResourceID, maxMessage)
		letters[i].Cause = bounded.Text(letters[i].Cause, maxMessage)
	}
	WriteJSON(w, http.StatusOK, struct {
		DeadLetters []DeadLetter `json:"dead_letters"`
		Total       int          `json:"total"`
	}{append([]DeadLetter{}, letters...), total})
	return nil
}

// replay publishes the tasks of a job's open dead letters again. It does nothing for dead letters
// that were replayed before.
func (a *API) replay(w http.ResponseWriter, r *http.Request) error {
	jobID := r.PathValue("job_id")
	if _, err := a.jobState(jobID); err != nil {
		return err
	}
	release, err := a.acquireLetters(r)
	if err != nil {
		return err
	}
	defer release()
	replayed, err := a.Replay(r.Context(), jobID)
	if err != nil {
		return unavailable("the dead letters could not be replayed, try again", err)
	}
	WriteJSON(w, http.StatusOK, replayed)
	return nil
}

// acquireLetters waits until a request may read the topic of dead letters.
func (a *API) acquireLetters(r *http.Request) (release func(), err error) {
	ctx, cancel := context.WithTimeout(r.Context(), lettersWait)
	defer cancel()
	if err := a.letters.Acquire(ctx, 1); err != nil {
		return nil, unavailable("other requests are reading the dead letters, try again", nil)
	}
	return func() { a.letters.Release(1) }, nil
}
