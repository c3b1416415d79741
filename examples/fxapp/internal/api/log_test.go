package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
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
		for s.Scan() {
			switch text := s.Text(); {
			case strings.HasPrefix(text, ":"):
				require.True(t, s.Scan(), "the end of the comment")
			case text == "":
				return lines
			default:
				lines = append(lines, text)
			}
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
	require.Empty(t, event(ended), "the stream ends with the log")

	response, _ := f.get(t, "/operators/jobs/j/logs?follow=perhaps")
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
}

// position is where an entry is in the topic.
type position struct {
	partition uint32
	offset    uint64
}

// stream opens the log of job j. It returns the connection's lines, and closes it with the test.
func (f *fixture) stream(t *testing.T, last string) (*http.Response, *bufio.Scanner) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+"/operators/jobs/j/logs", http.NoBody)
	require.NoError(t, err)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	response, err := f.Client().Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return response, bufio.NewScanner(response.Body)
}

func (f *fixture) addEntry(t *testing.T, p position) {
	t.Helper()
	require.NoError(t, f.store.AppendLog("j", store.LogEntry{Partition: p.partition, Offset: p.offset, Entry: json.RawMessage(fmt.Sprintf(`{"message":"%d/%d"}`, p.partition, p.offset))}))
}

// A client that reconnects gets each entry of each partition once.
func TestLogStreamResumesInEveryPartition(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.store.PutState(store.State{JobID: "j", Status: store.InProgress}))
	all := []position{{0, 0}, {3, 7}, {0, 1}, {1, 4}, {3, 8}, {1, 5}, {0, 2}, {2, 0}}
	for _, p := range all {
		f.addEntry(t, p)
	}
	last := ""
	for i, want := range all { // a connection for each entry
		response, lines := f.stream(t, last)
		var id, data string
		for data == "" && lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				id = rest
			}
			data, _ = strings.CutPrefix(lines.Text(), "data: ")
			if !strings.HasPrefix(lines.Text(), "data: ") {
				data = ""
			}
		}
		require.NoError(t, response.Body.Close())
		require.Equal(t, fmt.Sprintf(`{"message":"%d/%d"}`, want.partition, want.offset), data, "entry %d after %q", i, last)
		last = id
	}
	require.Equal(t, "0-2,1-5,2-0,3-8", last)

	for _, id := range []string{"x", "1", "1-", "-1", "1-2,", "1-2;3-4", "1-99999999999999999999", "1-2-3", strings.Repeat("1-2,", 5000) + "1-2", strings.TrimSuffix(manyPartitions(2000), ",")} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+"/operators/jobs/j/logs?follow=false", http.NoBody)
		require.NoError(t, err)
		r.Header.Set("Last-Event-ID", id)
		response, err := f.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		want := http.StatusBadRequest
		if strings.HasSuffix(id, "1-2,1-2") { // the same partition
			want = http.StatusOK
		}
		require.Equal(t, want, response.StatusCode, "%.40s", id)
	}
}

func manyPartitions(n int) (id string) {
	for i := range n {
		id += fmt.Sprintf("%d-1,", i)
	}
	return id
}

// A stream without entries is visible through a proxy that collects output, such as nginx with its
// defaults: it has a line at once, and the header that turns buffering off.
func TestLogStreamSendsCommentAtOnce(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.store.PutState(store.State{JobID: "j", Status: store.Queued}))
	response, lines := f.stream(t, "")
	require.Equal(t, "no", response.Header.Get("X-Accel-Buffering"))
	require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
	require.True(t, lines.Scan())
	require.Equal(t, ": keepalive", lines.Text())
}

// An idle stream has a comment every 15 seconds, so that proxies do not close it.
func TestLogStreamSendsCommentsWhileIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.TempDir())
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		require.NoError(t, s.PutState(store.State{JobID: "j", Status: store.Queued}))
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		none := http.NotFoundHandler()
		done := make(chan struct{})
		go func() {
			defer close(done)
			a := api.New(api.Params{Store: s, MaxStreams: 1, Live: none, Ready: none, Components: none, Metrics: none})
			a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/operators/jobs/j/logs", http.NoBody).WithContext(ctx))
		}()
		time.Sleep(61 * time.Second)
		cancel()
		<-done
		require.Equal(t, strings.Repeat(": keepalive\n\n", 5), w.Body.String())
	})
}

func TestLogStreamsAreLimited(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.store.PutState(store.State{JobID: "j", Status: store.Queued}))
	var open []*http.Response
	for range maxStreams {
		response, lines := f.stream(t, "")
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.True(t, lines.Scan())
		open = append(open, response)
	}
	response, _ := f.stream(t, "")
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	require.NoError(t, open[0].Body.Close())
	require.Eventually(t, func() bool {
		response, _ := f.stream(t, "")
		return response.StatusCode == http.StatusOK
	}, waitTimeout, pollInterval, "a stream that ended makes room")
}

// A HEAD request has the headers of the stream and ends, as a stream without an end would not.
func TestHEADOfLogStreamEnds(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.store.PutState(store.State{JobID: "j", Status: store.Queued}))
	base, stop := context.WithCancel(t.Context())
	server := httptest.NewUnstartedServer(f.Config.Handler)
	server.Config.BaseContext = func(net.Listener) context.Context { return base }
	server.Start()
	defer server.Close()
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range 2 { // on one connection
		r, err := http.NewRequestWithContext(ctx, http.MethodHead, server.URL+"/operators/jobs/j/logs", http.NoBody)
		require.NoError(t, err)
		response, err := server.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	}
}

// pipeListener accepts one connection.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.conns) })
	return nil
}

// The write timeout of the server bounds a response from its start on. A stream outlives it.
func TestLogStreamOutlivesServerWriteTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.TempDir())
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		require.NoError(t, s.PutState(store.State{JobID: "j", Status: store.Queued}))
		none := http.NotFoundHandler()
		l := &pipeListener{conns: make(chan net.Conn, 1)}
		server := http.Server{
			Handler:      api.New(api.Params{Store: s, MaxStreams: 1, Live: none, Ready: none, Components: none, Metrics: none}),
			WriteTimeout: time.Minute,
		}
		var served sync.WaitGroup
		served.Go(func() { _ = server.Serve(l) })
		client, conn := net.Pipe()
		l.conns <- conn
		lines := make(chan string, 100)
		served.Go(func() {
			defer close(lines)
			for s := bufio.NewScanner(client); s.Scan(); {
				lines <- s.Text()
			}
		})
		defer func() {
			require.NoError(t, server.Close())
			for range lines {
			}
			served.Wait()
		}()
		_, err = io.WriteString(client, "GET /operators/jobs/j/logs HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		time.Sleep(5 * time.Minute) // of the bubble
		require.NoError(t, s.AppendLog("j", store.LogEntry{Entry: json.RawMessage(`{"message":"late"}`)}))
		received := ""
		for line := range lines {
			if received = line; strings.HasPrefix(line, "data: ") {
				break
			}
		}
		require.Equal(t, `data: {"message":"late"}`, received, "the stream ended before")
	})
}

// Whatever a client sends as Last-Event-ID is refused, or is a position that the next id continues.
func FuzzLastEventID(f *testing.F) {
	for _, id := range []string{"", "0-0", "0-7,3-12", "x", "1-2,1-3", "4294967295-9223372036854775807"} {
		f.Add(id, uint32(1), uint64(5))
	}
	f.Fuzz(func(t *testing.T, id string, partition uint32, offset uint64) {
		next, isNew, err := api.NextEventID(id, partition, offset>>2)
		if err != nil {
			return
		}
		again, isNewAgain, err := api.NextEventID(next, partition, offset>>2)
		if err != nil || isNewAgain || again != next {
			t.Fatalf("%q after %q (new: %v): %q %v %v", next, id, isNew, again, isNewAgain, err)
		}
	})
}
