package api

import (
	"context"
	"net/http"
	"time"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/overview"
)

// topicsTimeout bounds the requests to the Iggy server.
const topicsTimeout = 5 * time.Second

// listTopics serves the topics on the server and the lag of their groups.
func (a *API) listTopics(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), topicsTimeout)
	defer cancel()
	topics, err := a.Topics(ctx)
	if err != nil {
		// Not logged: the page repeats this request, and would fill the log while Iggy is
		// unavailable.
		writeError(w, asHTTPError(unavailable("the server's topics could not be read", err)))
		return nil
	}
	WriteJSON(w, http.StatusOK, struct {
		Topics []overview.Topic `json:"topics"`
	}{topics})
	return nil
}
