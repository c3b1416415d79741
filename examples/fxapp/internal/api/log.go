package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

const (
	// logPoll is the interval at which a stream reads new entries.
	logPoll = 100 * time.Millisecond
	// logKeepalive is the interval of the comments that keep an idle connection open.
	logKeepalive = 15 * time.Second
	// logWriteTimeout bounds a write to a client that does not read.
	logWriteTimeout = time.Minute
	// keepaliveComment is a comment, which clients ignore.
	keepaliveComment = ": keepalive\n\n"
	// logCloseTimeout bounds the last write of a stream when the process stops.
	logCloseTimeout = time.Second
)

// streamLog sends the entries of a job's log as server-sent events. It sends new entries as they
// arrive, until the client closes the connection or the process stops. The id of an event holds the
// position in each partition of the topic, so that a client that reconnects with Last-Event-ID gets
// what it has not seen. With ?follow=false the stream ends at the end of the log.
func (a *API) streamLog(w http.ResponseWriter, r *http.Request) error {
	jobID := r.PathValue("job_id")
	if _, err := a.jobState(jobID); err != nil {
		return err
	}
	follow := true
	if value := r.URL.Query().Get("follow"); value != "" {
		parsed, err := strconv.ParseBool(value)
		if err != nil {
			return invalidPayload("follow must be true or false")
		}
		follow = parsed
	}
	seen, err := parseLogPositions(r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	// Each stream holds a connection and a file. Workers need file descriptors, too.
	if !a.streams.TryAcquire(1) {
		return unavailable("too many logs are followed at the moment", nil)
	}
	defer a.streams.Release(1)
	reader := a.Store.OpenLog(jobID)
	defer func() { _ = reader.Close() }()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect events
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil // its response has no body, so that nothing would end the stream
	}
	if err := writeLogEvents(w, r, reader, seen, follow); err != nil {
		// The response has started, so the stream ends without an error for the client.
		a.failed.Error("log stream failed", zap.String("job_id", jobID), zap.Error(err))
	}
	return nil
}

// writeLogEvents writes the entries of reader as events until the stream ends.
func writeLogEvents(
	w http.ResponseWriter, r *http.Request, reader *store.LogReader, seen logPositions, follow bool,
) error {
	out := http.NewResponseController(w)
	// When the process stops, a client that does not read must not block the stream.
	limitWrites := func() { _ = out.SetWriteDeadline(time.Now().Add(logCloseTimeout)) }
	stop := context.AfterFunc(r.Context(), limitWrites)
	defer func() {
		if stop() {
			_ = out.SetWriteDeadline(time.Time{}) // the connection may serve other requests
		} else {
			limitWrites()
		}
	}()
	// The comment makes proxies forward the headers of a stream without entries.
	if _, err := io.WriteString(w, keepaliveComment); err != nil {
		return nil //nolint:nilerr // the client has disconnected
	}
	poll, keepalive := time.NewTicker(logPoll), time.NewTicker(logKeepalive)
	defer poll.Stop()
	defer keepalive.Stop()
	for {
		_ = out.SetWriteDeadline(time.Now().Add(logWriteTimeout))
		if r.Context().Err() != nil {
			return nil
		}
		entries, err := reader.Next()
		if err != nil {
			return err
		}
		var b bytes.Buffer
		for _, entry := range entries {
			if !seen.add(entry.Partition, entry.Offset) {
				continue
			}
			fmt.Fprintf(&b, "id: %s\nevent: log\ndata: %s\n\n", seen,
				bytes.ReplaceAll(entry.Entry, []byte{'\n'}, nil))
		}
		if _, err := w.Write(b.Bytes()); err != nil || out.Flush() != nil {
			return nil // the client has disconnected
		}
		if len(entries) > 0 {
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
			if _, err := io.WriteString(w, keepaliveComment); err != nil {
				return nil // the client has disconnected
			}
		}
	}
}
