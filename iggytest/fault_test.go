package iggytest_test

import (
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

const create = embedded.CreateStream

// TestFaults compares, for every fault before and after the effect, what the client sees and what
// the server did.
func TestFaults(t *testing.T) {
	t.Parallel()
	ended := func(t *testing.T, got []byte, err error, want int) {
		require.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), "%v", err)
		require.Len(t, got, want)
	}
	for label, c := range map[string]struct {
		fault  iggytest.Fault
		effect bool
		check  func(t *testing.T, status embedded.Status, body []byte, err error)
	}{
		"cut": {iggytest.Cut(), false, func(t *testing.T, _ embedded.Status, body []byte, err error) {
			ended(t, body, err, 0)
		}},
		"cut after the effect": {iggytest.Cut().AfterEffect(), true, func(t *testing.T, _ embedded.Status, body []byte, err error) {
			ended(t, body, err, 0)
		}},
		"cut after bytes of the request": {iggytest.CutAfter(9), false, func(t *testing.T, _ embedded.Status, body []byte, err error) {
			ended(t, body, err, 0)
		}},
		"cut after bytes of the answer": {iggytest.CutAfter(5).AfterEffect(), true, func(t *testing.T, _ embedded.Status, body []byte, err error) {
			ended(t, body, err, 5)
		}},
		"cut after the whole answer": {iggytest.CutAfter(1 << 20).AfterEffect(), true, func(t *testing.T, status embedded.Status, body []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, embedded.StatusOK, status)
			require.NotEmpty(t, body)
		}},
		"half a request": {iggytest.HalfFrame(), false, func(t *testing.T, _ embedded.Status, body []byte, err error) {
			ended(t, body, err, 0)
		}},
		"half an answer": {iggytest.HalfFrame().AfterEffect(), true, func(t *testing.T, _ embedded.Status, _ []byte, err error) {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}},
		"reset": {iggytest.Reset(), false, func(t *testing.T, _ embedded.Status, _ []byte, err error) {
			require.ErrorIs(t, err, syscall.ECONNRESET)
		}},
		"reset after the effect": {iggytest.Reset().AfterEffect(), true, func(t *testing.T, _ embedded.Status, _ []byte, err error) {
			require.ErrorIs(t, err, syscall.ECONNRESET)
		}},
		"answer": {iggytest.Answer(embedded.StatusIOError), false, func(t *testing.T, status embedded.Status, _ []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, embedded.StatusIOError, status)
		}},
		"answer after the effect": {iggytest.Answer(embedded.StatusIOError).AfterEffect(), true, func(t *testing.T, status embedded.Status, body []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, embedded.StatusIOError, status)
			require.Empty(t, body)
		}},
		"garbage": {iggytest.Garbage(1, 0, 0, 0, 2, 0, 0, 0, 'h', 'i'), false, func(t *testing.T, status embedded.Status, body []byte, err error) {
			require.NoError(t, err)
			require.EqualValues(t, 1, status)
			require.Equal(t, "hi", string(body))
		}},
		"garbage after the effect": {iggytest.Garbage(1, 0, 0, 0, 0, 0, 0, 0).AfterEffect(), true, func(t *testing.T, status embedded.Status, _ []byte, err error) {
			require.NoError(t, err)
			require.EqualValues(t, 1, status)
		}},
		"observe": {iggytest.Observe(), true, func(t *testing.T, status embedded.Status, body []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, embedded.StatusOK, status)
			require.NotEmpty(t, body)
		}},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			srv := start(t)
			proxy := iggytest.NewProxy(t, srv.Address())
			fault := proxy.Inject(c.fault.On(create).Times(1))
			conn := dial(t, proxy.Address()).login(t)
			status, body, err := conn.call(create, name("stream"))
			c.check(t, status, body, err)
			fault.Wait(1)
			require.Equal(t, c.effect, exists(t, srv, "stream"))
			require.Equal(t, 1, fault.Count())
			// The fault is used up: all is well again, on a new connection at the latest.
			require.Equal(t, embedded.StatusOK, dial(t, proxy.Address()).login(t).status(t, create, name("other")))
		})
	}
}

func TestFaultsThatNeverAnswer(t *testing.T) {
	t.Parallel()
	for label, c := range map[string]struct {
		fault  iggytest.Fault
		effect bool
		// stays says whether the server keeps the connection after the client has closed it.
		stays bool
	}{
		"silence":                     {iggytest.Silence(), false, false},
		"silence after the effect":    {iggytest.Silence().AfterEffect(), true, false},
		"black hole":                  {iggytest.BlackHole(), false, true},
		"black hole after the effect": {iggytest.BlackHole().AfterEffect(), true, true},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			srv := start(t)
			proxy := iggytest.NewProxy(t, srv.Address())
			fault := proxy.Inject(c.fault.On(create).Times(1))
			conn := dial(t, proxy.Address()).login(t)
			require.NoError(t, conn.request(create, name("stream")))
			require.NoError(t, conn.request(embedded.Ping, nil))
			fault.Wait(1)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
			_, _, err := conn.answer()
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, c.effect, exists(t, srv, "stream"))

			require.NoError(t, conn.Close())
			if c.stays {
				require.Never(t, func() bool { return proxy.Connections() == 0 }, 50*time.Millisecond, 5*time.Millisecond)
				require.NotEmpty(t, srv.Connections())
				require.Equal(t, 1, proxy.CutConnections())
			}
			require.Eventually(t, func() bool { return proxy.Connections() == 0 && len(srv.Connections()) == 0 },
				30*time.Second, time.Millisecond)
		})
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	const d = 50 * time.Millisecond
	for label, fault := range map[string]iggytest.Fault{
		"request": iggytest.Delay(d), "answer": iggytest.Delay(d).AfterEffect(), "slow": iggytest.Slow(8 * 1000 / 25),
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			proxy := iggytest.NewProxy(t, start(t).Address())
			proxy.Inject(fault.On(embedded.Ping))
			conn := dial(t, proxy.Address())
			begin := time.Now()
			require.Equal(t, embedded.StatusOK, conn.status(t, embedded.Ping, nil))
			require.GreaterOrEqual(t, time.Since(begin), d)
		})
	}
}

func TestFaultString(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]iggytest.Fault{
		"cut half, after the effect of send messages": iggytest.HalfFrame().AfterEffect().On(embedded.SendMessages),
		"cut after 3 bytes":                           iggytest.CutAfter(3),
		"delay 1s of ping, poll messages":             iggytest.Delay(time.Second).On(embedded.Ping, embedded.PollMessages),
		"slow 100 bytes/s":                            iggytest.Slow(100),
		`answer "i/o error", chance 0.5, seed 1`:      iggytest.Answer(embedded.StatusIOError).Chance(0.5, 1),
	} {
		require.Equal(t, want, f.String())
	}
}
