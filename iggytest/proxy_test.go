package iggytest_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

const create = embedded.CreateStream

// TestFaults holds every fault, before and after the effect, to what the client
// sees and to what the server did.
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
			proxy := iggytest.NewProxy(t, srv.Endpoint())
			fault := proxy.Inject(c.fault.On(create).Times(1))
			conn := dial(t, proxy.Endpoint()).login(t)
			status, body, err := conn.call(create, name("stream"))
			c.check(t, status, body, err)
			fault.Wait(1)
			require.Equal(t, c.effect, exists(t, srv, "stream"))
			require.Equal(t, 1, fault.Count())
			// The fault is used up: all is well again, on a new connection at the latest.
			require.Equal(t, embedded.StatusOK, dial(t, proxy.Endpoint()).login(t).status(t, create, name("other")))
		})
	}
}

func TestFaultsThatNeverAnswer(t *testing.T) {
	t.Parallel()
	for label, c := range map[string]struct {
		fault  iggytest.Fault
		effect bool
		// stays tells whether the server keeps the connection when the client has gone.
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
			proxy := iggytest.NewProxy(t, srv.Endpoint())
			fault := proxy.Inject(c.fault.On(create).Times(1))
			conn := dial(t, proxy.Endpoint()).login(t)
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
			proxy := iggytest.NewProxy(t, start(t).Endpoint())
			proxy.Inject(fault.On(embedded.Ping))
			conn := dial(t, proxy.Endpoint())
			begin := time.Now()
			require.Equal(t, embedded.StatusOK, conn.status(t, embedded.Ping, nil))
			require.GreaterOrEqual(t, time.Since(begin), d)
		})
	}
}

// TestPipelined holds that a fault in the middle of requests in flight neither
// takes the answers before it nor lets the requests behind it overtake.
func TestFaultAmongPipelinedRequests(t *testing.T) {
	t.Parallel()
	srv := start(t)
	proxy := iggytest.NewProxy(t, srv.Endpoint())
	proxy.Inject(iggytest.Cut().AfterEffect().On(create).Skip(2).Times(1))
	conn := dial(t, proxy.Endpoint()).login(t)
	streams := []string{"one", "two", "three", "four", "five"}
	for _, s := range streams {
		require.NoError(t, conn.request(create, name(s)))
	}
	for range 2 {
		status, _, err := conn.answer()
		require.NoError(t, err)
		require.Equal(t, embedded.StatusOK, status)
	}
	_, _, err := conn.answer()
	require.ErrorIs(t, err, io.EOF)
	for i, s := range streams {
		require.Equal(t, i < 3, exists(t, srv, s), s)
	}
}

func TestFaultConditions(t *testing.T) {
	t.Parallel()
	refuse := iggytest.Answer(embedded.StatusIOError)
	pattern := func(t *testing.T, f iggytest.Fault) string {
		proxy := iggytest.NewProxy(t, start(t).Endpoint())
		proxy.Inject(f)
		conn := dial(t, proxy.Endpoint())
		pattern := ""
		for range 20 {
			if conn.status(t, embedded.Ping, nil) == embedded.StatusOK {
				pattern += "."
			} else {
				pattern += "x"
			}
		}
		return pattern
	}
	require.Equal(t, "xxxxxxxxxxxxxxxxxxxx", pattern(t, refuse))
	require.Equal(t, "....................", pattern(t, refuse.On(embedded.PollMessages, create)))
	require.Equal(t, "..xxx...............", pattern(t, refuse.On(embedded.Ping).Skip(2).Times(3)))
	even := refuse.When(func(r iggytest.Request) bool { return r.Number%2 == 0 })
	require.Equal(t, ".x.x.x.x.x.x.x.x.x.x", pattern(t, even))
	require.Equal(t, "...x...x...x...x...x", pattern(t, even.When(func(r iggytest.Request) bool { return r.Number%4 == 0 })))
	require.Equal(t, ".x.x.x.x.x.x.x.x.x.x", pattern(t, even), "a fault is a value")
	chance := pattern(t, refuse.Chance(0.5, 7))
	require.Equal(t, chance, pattern(t, refuse.Chance(0.5, 7)))
	require.NotEqual(t, chance, pattern(t, refuse.Chance(0.5, 8)))
	require.Contains(t, chance, "x")
	require.Contains(t, chance, ".")
}

// TestOrder holds that faults that let a request pass add up and the first of
// the others decides.
func TestFaultOrder(t *testing.T) {
	t.Parallel()
	proxy := iggytest.NewProxy(t, start(t).Endpoint())
	var done []iggytest.Request
	seen := proxy.Inject(iggytest.Observe())
	first := proxy.Inject(iggytest.Answer(embedded.StatusIOError).Times(1))
	second := proxy.Inject(iggytest.Answer(embedded.StatusNotOwner))
	proxy.Inject(iggytest.Do(func(r iggytest.Request) { done = append(done, r) }).On(create))
	conn := dial(t, proxy.Endpoint())
	require.Equal(t, embedded.StatusIOError, conn.status(t, create, name("stream")))
	require.Equal(t, embedded.StatusNotOwner, conn.status(t, embedded.Ping, nil))
	second.Remove()
	require.Equal(t, embedded.StatusOK, conn.status(t, embedded.Ping, nil))
	require.Equal(t, []int{3, 1, 1}, []int{seen.Count(), first.Count(), second.Count()})
	require.Equal(t, []iggytest.Request{{Conn: 1, Number: 1, Command: create, Body: name("stream")}}, done)
}

func TestRefuseAndStopListening(t *testing.T) {
	t.Parallel()
	proxy := iggytest.NewProxy(t, start(t).Endpoint())
	fault := proxy.Inject(iggytest.Refuse().Times(1))
	nc, err := net.Dial("tcp", proxy.Endpoint())
	if err == nil {
		_, err = nc.Read(make([]byte, 1))
		_ = nc.Close()
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
	fault.Wait(1)
	conn := dial(t, proxy.Endpoint())
	require.Equal(t, embedded.StatusOK, conn.status(t, embedded.Ping, nil))

	proxy.StopListening()
	_, err = net.Dial("tcp", proxy.Endpoint())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Equal(t, embedded.StatusOK, conn.status(t, embedded.Ping, nil), "open connections go on")
	proxy.StopListening()
	proxy.StartListening()
	proxy.StartListening()
	require.Equal(t, embedded.StatusOK, dial(t, proxy.Endpoint()).status(t, embedded.Ping, nil))
}

// Nothing else gets the port while a proxy does not listen, not even for a connection to somewhere else.
func TestPortStaysReserved(t *testing.T) {
	t.Parallel()
	srv := start(t)
	proxy := iggytest.NewProxy(t, srv.Endpoint())
	proxy.StopListening()
	own, err := net.ResolveTCPAddr("tcp", proxy.Endpoint())
	require.NoError(t, err)
	_, err = (&net.Dialer{LocalAddr: own}).Dial("tcp", srv.Endpoint())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	proxy.StartListening()
	require.Equal(t, embedded.StatusOK, dial(t, proxy.Endpoint()).status(t, embedded.Ping, nil))
}

func TestConnectionsWithoutServerAreReset(t *testing.T) {
	t.Parallel()
	srv := start(t)
	proxy := iggytest.NewProxy(t, srv.Endpoint())
	conn := dial(t, proxy.Endpoint()).login(t)
	srv.Crash()
	_, _, err := conn.answer()
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	nc, err := net.Dial("tcp", proxy.Endpoint())
	if err == nil {
		_, err = nc.Read(make([]byte, 1))
		_ = nc.Close()
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// TestPassesTLS holds that TLS up to the server passes as it is.
func TestPassesTLS(t *testing.T) {
	t.Parallel()
	config, ca, err := embedded.SelfSigned()
	require.NoError(t, err)
	srv := start(t, embedded.WithTLS(config))
	proxy := iggytest.NewProxy(t, srv.Endpoint())
	conn := dialTLS(t, proxy.Endpoint(), trust(t, ca))
	require.Equal(t, embedded.StatusOK, conn.login(t).status(t, create, name("stream")))
	require.Equal(t, 1, proxy.CutConnections())
	_, _, err = conn.answer()
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// TestBytesThatAreNoRequests holds that the proxy changes nothing that it does
// not understand: lengths that lie, ends in the middle.
func TestBytesThatAreNoRequestsPassUnchanged(t *testing.T) {
	t.Parallel()
	for label, sent := range map[string][]byte{
		"a short length": {1, 0, 0, 0, 1, 0, 0, 0}, "half a head": {4, 0}, "a long length": {0xff, 0xff, 0xff, 0x7f, 202, 0, 0, 0, 1},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer func() { _ = l.Close() }()
			conn := dial(t, iggytest.NewProxy(t, l.Addr().String()).Endpoint())
			server, err := l.Accept()
			require.NoError(t, err)
			defer func() { _ = server.Close() }()
			_, err = conn.Write(sent)
			require.NoError(t, err)
			require.NoError(t, conn.Conn.(*net.TCPConn).CloseWrite())
			got, err := io.ReadAll(server)
			require.NoError(t, err)
			require.Equal(t, sent, got)
			// What no one asked for passes, too.
			_, err = server.Write(binary.LittleEndian.AppendUint64(nil, 1))
			require.NoError(t, err)
			require.NoError(t, server.Close())
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
