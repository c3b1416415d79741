package transporttest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Traits are the differences that transport.Conn allows.
type Traits struct {
	// Outlives tells that a connection stays usable when a context ends whose
	// request was written.
	Outlives bool
	// Frugal tells that an announced length is not believed before its bytes come.
	Frugal bool
}

// patience is how long anything may take on a loaded machine.
const patience = 30 * time.Second

// RunServer runs the part of the suite that needs a server, in parallel.
func RunServer(t *testing.T, d transport.Dialer, s Server) {
	for name, test := range map[string]func(*testing.T, *bench){
		"login":             testLogin,
		"login refused":     testLoginRefused,
		"login by token":    testToken,
		"unauthenticated":   testUnauthenticated,
		"names":             testNames,
		"not found":         testNotFound,
		"topic":             testTopic,
		"send and poll":     testSendPoll,
		"strategies":        testStrategies,
		"max bytes":         testMaxBytes,
		"recycled memory":   testRecycle,
		"large messages":    testLarge,
		"too large":         testTooLarge,
		"offsets":           testOffsets,
		"group":             testGroup,
		"group of two":      testGroupOfTwo,
		"group probe":       testProbe,
		"group missing":     testGroupMissing,
		"many at once":      testManyAtOnce,
		"ended context":     testEndedContext,
		"cancelled at once": testCancelAnywhere,
		"close":             testClose,
		"close under way":   testCloseUnderWay,
		"burst":             testBurst,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &bench{dialer: d, server: s})
		})
	}
}

// RunPeers runs the part of the suite that makes peers misbehave, in parallel.
func RunPeers(t *testing.T, d transport.Dialer, traits Traits) {
	for name, test := range map[string]func(*testing.T, *peers){
		"refused":              testRefused,
		"silent handshake":     testSilentHandshake,
		"dial given up":        testDialAnywhere,
		"stalled":              testStalled,
		"late answer":          testLateAnswer,
		"does not read":        testDoesNotRead,
		"cut while idle":       testCutIdle,
		"cut under way":        testCutUnderWay,
		"half answers":         testHalfAnswers,
		"in single bytes":      testDribble,
		"foreign protocols":    testForeign,
		"malformed answers":    testMalformed,
		"remains in answers":   testRemains,
		"unasked answer":       testUnasked,
		"farewell":             testFarewell,
		"huge announcement":    testHuge,
		"refused before body":  testRefusedEarly,
		"causes of contexts":   testCauses,
		"waiting for its turn": testTurn,
		"crossed answers":      testCrossed,
		"cut anywhere":         testCutAnywhere,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &peers{dialer: d, traits: traits})
		})
	}
}

// bench is one test's place at a server.
type bench struct {
	dialer transport.Dialer
	server Server
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial opens a connection that ends with the test.
func (b *bench) dial(t *testing.T) transport.Conn {
	t.Helper()
	c, err := b.dialer.Dial(within(t), b.server.Address, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// login opens a connection and logs in.
func (b *bench) login(t *testing.T) transport.Conn {
	t.Helper()
	c := b.dial(t)
	require.NoError(t, c.Login(within(t), b.server.credentials()))
	return c
}

// requireDone waits until the connection says that it has ended.
func requireDone(t *testing.T, c transport.Conn) {
	t.Helper()
	select {
	case <-c.Done():
		require.Error(t, c.Err())
	case <-time.After(patience):
		require.Fail(t, "the connection has not ended")
	}
}

func requireUsable(t *testing.T, c transport.Conn) {
	t.Helper()
	require.NoError(t, c.Err())
	require.NoError(t, c.Ping(within(t)))
}
