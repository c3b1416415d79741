package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

func TestLogStream(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.store.PutState(store.State{JobID: "j", Status: store.InProgress}))
	add := func(offset uint64) {
		require.NoError(t, f.store.AppendLog("j", store.LogEntry{Partition: 2, Offset: offset, Entry: json.RawMessage(fmt.Sprintf(`{"message":"m%d"}`, offset))}))
	}
	add(0)
	add(1)
	open := func(ctx context.Context, query, last string) *bufio.Scanner {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL+"/operators/jobs/j/logs"+query, http.NoBody)
		require.NoError(t, err)
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		response, err := f.Client().Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { _ = response.Body.Close() })
		require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
		return bufio.NewScanner(response.Body)
	}
	event := func(s *bufio.Scanner) (lines []string) {
		for s.Scan() && s.Text() != "" {
			lines = append(lines, s.Text())
		}
		return lines
	}
	ctx, cancel := context.WithCancel(t.Context())
	live := open(ctx, "", "")
	require.Equal(t, []string{"id: 2-0", "event: log", `data: {"message":"m0"}`}, event(live))
	require.Equal(t, []string{"id: 2-1", "event: log", `data: {"message":"m1"}`}, event(live))
	add(2)
	require.Equal(t, []string{"id: 2-2", "event: log", `data: {"message":"m2"}`}, event(live))
	cancel()

	require.Equal(t, []string{"id: 2-2", "event: log", `data: {"message":"m2"}`}, event(open(t.Context(), "", "2-1")), "a browser reconnects")

	ended := open(t.Context(), "?follow=false", "")
	for range 3 {
		require.Len(t, event(ended), 3)
	}
	require.False(t, ended.Scan(), "the stream ends with the log")

	response, _ := f.get(t, "/operators/jobs/j/logs?follow=perhaps")
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
}
