package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

const (
	// logPoll is how often a log is looked at for more.
	logPoll = 100 * time.Millisecond
	// logKeepalive is how often a comment shows that a silent stream lives.
	logKeepalive = 15 * time.Second
	// logWriteTimeout is how long a caller may not read.
	logWriteTimeout = time.Minute
	// logFarewell is how long the end of a stream may take when the process stops.
	logFarewell = time.Second
)

// logs sends a job's log records as server-sent events, those that exist and
// those that come, until the caller goes or the process stops. An event's id is
// partition-offset in the topic. With ?follow=false the stream ends at the end
// of the log.
func (a *API) logs(w http.ResponseWriter, r *http.Request) error {
	jobID := r.PathValue("job_id")
	if _, err := a.stateOf(jobID); err != nil {
		return err
	}
	follow := true
	if value := r.URL.Query().Get("follow"); value != "" {
		parsed, err := strconv.ParseBool(value)
		if err != nil {
			return invalid("follow must be true or false")
		}
		follow = parsed
	}
	after, err := position(r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	reader := a.Store.Logs(jobID)
	defer func() { _ = reader.Close() }()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if err := stream(w, r, reader, after, follow); err != nil {
		// It is too late for another answer: the stream just ends.
		a.Log.Error("log stream failed", zap.String("job_id", jobID), zap.Error(err))
	}
	return nil
}

// seen is where a caller that connects again has been.
type seen struct {
	partition uint32
	next      uint64
}

// position reads an event's id; an empty one is the beginning.
func position(id string) (seen, error) {
	if id == "" {
		return seen{}, nil
	}
	var at seen
	if n, err := fmt.Sscanf(id, "%d-%d", &at.partition, &at.next); n != 2 || err != nil {
		return seen{}, invalid("Last-Event-ID must be an event's id")
	}
	at.next++
	return at, nil
}

func stream(w http.ResponseWriter, r *http.Request, reader *store.LogReader, after seen, follow bool) error {
	out := http.NewResponseController(w)
	// A caller that does not read is let go when the process stops, and after a while anyway.
	letGo := func() { _ = out.SetWriteDeadline(time.Now().Add(logFarewell)) }
	detach := context.AfterFunc(r.Context(), letGo)
	defer func() {
		if detach() {
			_ = out.SetWriteDeadline(time.Time{}) // the connection may serve other requests
		} else {
			letGo()
		}
	}()
	poll, keepalive := time.NewTicker(logPoll), time.NewTicker(logKeepalive)
	defer poll.Stop()
	defer keepalive.Stop()
	for {
		_ = out.SetWriteDeadline(time.Now().Add(logWriteTimeout))
		if r.Context().Err() != nil {
			return nil
		}
		logs, err := reader.Next()
		if err != nil {
			return err
		}
		var b bytes.Buffer
		for _, log := range logs {
			if log.Partition == after.partition && log.Offset < after.next {
				continue
			}
			fmt.Fprintf(&b, "id: %d-%d\nevent: log\ndata: %s\n\n", log.Partition, log.Offset, bytes.ReplaceAll(log.Record, []byte{'\n'}, nil))
		}
		if _, err := w.Write(b.Bytes()); err != nil || out.Flush() != nil {
			return nil //nolint:nilerr // the caller has gone
		}
		if len(logs) > 0 {
			continue
		}
		if !follow {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-poll.C:
		case <-keepalive.C:
			if _, err := w.Write([]byte(": \n\n")); err != nil {
				return nil //nolint:nilerr // the caller has gone
			}
		}
	}
}
