package embedded_test

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// faults is an interceptor whose action a test sets.
type faults struct {
	command embedded.Command
	stage   embedded.Stage
	action  atomic.Pointer[embedded.Action]
}

func (f *faults) set(a embedded.Action) { f.action.Store(&a) }

func (f *faults) intercept(c *embedded.Call) embedded.Action {
	if a := f.action.Load(); a != nil && c.Command == f.command && c.Stage == f.stage {
		return *a
	}
	return embedded.Pass()
}

// faulty starts a server whose sends meet with an action.
func faulty(t *testing.T, stage embedded.Stage, a embedded.Action) (*embedded.Server, *rawConn, []byte) {
	t.Helper()
	f := &faults{command: embedded.SendMessages, stage: stage}
	srv := start(t, embedded.WithInterceptor(f.intercept))
	c := makeTopic(t, srv, 1)
	f.set(a)
	return srv, c, sendBody(streamS, topicT, toPartition(0), message(1, "payload", ""))
}

func TestInterceptorSeesRequests(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var calls []embedded.Call
	srv := start(t, embedded.WithInterceptor(func(c *embedded.Call) embedded.Action {
		mu.Lock()
		defer mu.Unlock()
		cp := *c
		cp.Body = bytes.Clone(c.Body)
		calls = append(calls, cp)
		return embedded.Pass()
	}))
	c := dial(t, srv)
	c.call(t, embedded.GetStreams, nil)
	c.call(t, 999, []byte("body"))
	stranger := dial(t, srv)
	stranger.call(t, embedded.SendMessages, nil)

	mu.Lock()
	defer mu.Unlock()
	want := []embedded.Call{
		{Conn: 1, Request: 1, Command: embedded.GetStreams, Stage: embedded.Before},
		{Conn: 1, Request: 1, Command: embedded.GetStreams, Stage: embedded.After, Status: embedded.StatusUnauthenticated},
		{Conn: 1, Request: 2, Command: 999, Stage: embedded.Before, Body: []byte("body")},
		{Conn: 1, Request: 2, Command: 999, Stage: embedded.After, Status: embedded.StatusInvalidCommand, Body: []byte("body")},
		{Conn: 2, Request: 1, Command: embedded.SendMessages, Stage: embedded.Before},
		{Conn: 2, Request: 1, Command: embedded.SendMessages, Stage: embedded.After, Status: embedded.StatusUnauthenticated},
	}
	require.Len(t, calls, len(want))
	for i, w := range want {
		got := calls[i]
		require.NotNil(t, got.Remote)
		got.Remote = nil
		if len(got.Body) == 0 {
			got.Body = nil
		}
		require.Equal(t, w, got)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	cut := func(t *testing.T, c *rawConn) {
		_, _, err := c.tryReceive()
		require.Error(t, err)
	}
	half := func(t *testing.T, c *rawConn) {
		rest, err := io.ReadAll(c.r)
		require.NoError(t, err)
		require.Len(t, rest, 4)
	}
	status := func(want embedded.Status) func(*testing.T, *rawConn) {
		return func(t *testing.T, c *rawConn) {
			got, body := c.receive(t)
			require.Equal(t, want, got)
			require.Empty(t, body)
			c.must(t, embedded.Ping, nil)
		}
	}
	garbage := []byte("garbage!")
	for label, tc := range map[string]struct {
		action embedded.Action
		seen   func(*testing.T, *rawConn)
	}{
		"answer":      {embedded.Answer(embedded.StatusError), status(embedded.StatusError)},
		"answer ok":   {embedded.Answer(embedded.StatusOK), status(embedded.StatusOK)},
		"delay":       {embedded.Delay(time.Millisecond), status(embedded.StatusOK)},
		"late answer": {embedded.Answer(77).After(time.Millisecond), status(77)},
		"cut":         {embedded.Cut(), cut},
		"half":        {embedded.HalfAnswer(), half},
		"raw": {embedded.Raw(garbage, false), func(t *testing.T, c *rawConn) {
			got := make([]byte, len(garbage))
			_, err := io.ReadFull(c.r, got)
			require.NoError(t, err)
			require.Equal(t, garbage, got)
			c.must(t, embedded.Ping, nil)
		}},
		"raw and cut": {embedded.Raw(garbage, true), func(t *testing.T, c *rawConn) {
			rest, err := io.ReadAll(c.r)
			require.NoError(t, err)
			require.Equal(t, garbage, rest)
		}},
	} {
		for stage, name := range map[embedded.Stage]string{embedded.Before: "before", embedded.After: "after"} {
			t.Run(label+" "+name, func(t *testing.T) {
				t.Parallel()
				srv, c, body := faulty(t, stage, tc.action)
				c.send(t, frame(embedded.SendMessages, body))
				tc.seen(t, c)
				stored := 1
				if stage == embedded.Before && label != "delay" {
					stored = 0
				}
				require.Len(t, payloads(t, srv, 0), stored)
			})
		}
	}
}

func TestSilenceLastsUntilTheConnectionEnds(t *testing.T) {
	t.Parallel()
	for _, stage := range []embedded.Stage{embedded.Before, embedded.After} {
		srv, c, body := faulty(t, stage, embedded.Silence())
		c.send(t, frame(embedded.Ping, nil), frame(embedded.SendMessages, body), frame(embedded.Ping, nil))
		status, _ := c.receive(t)
		require.Equal(t, embedded.StatusOK, status, "the answer before it is not held back")
		require.Eventually(t, func() bool { return len(payloads(t, srv, 0)) == int(stage) }, patience, time.Millisecond)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		_, _, err := c.tryReceive()
		var timeout interface{ Timeout() bool }
		require.True(t, errors.As(err, &timeout) && timeout.Timeout(), "%v", err)
		c.close(t, srv)
	}
}

func TestStopEndsADelay(t *testing.T) {
	t.Parallel()
	_, c, body := faulty(t, embedded.Before, embedded.Delay(time.Hour))
	c.send(t, frame(embedded.Ping, nil), frame(embedded.SendMessages, body))
	c.receive(t)
	// The cleanup of the server waits for the connection's goroutine, and fails after 30 s.
}
