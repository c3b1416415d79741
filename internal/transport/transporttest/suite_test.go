package transporttest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// traits are the differences that transport.Conn allows.
type traits struct {
	// keepsAfterCancel tells that a connection stays usable when a context ends whose request was
	// written.
	keepsAfterCancel bool
	// boundsMemory tells that an announced length takes memory only as its bytes come.
	boundsMemory bool
}

// waitTimeout bounds the wait for an event on a loaded machine.
const waitTimeout = 30 * time.Second

// runServer runs the part of the suite that needs a server, in parallel.
func runServer(t *testing.T, d transport.Dialer, s testServer) {
	for name, test := range map[string]func(*testing.T, *serverSuite){
		"login":            testLogin,
		"login refused":    testLoginRefused,
		"login by token":   testToken,
		"unauthenticated":  testUnauthenticated,
		"names":            testNames,
		"not found":        testNotFound,
		"topic":            testTopic,
		"cluster":          testCluster,
		"probe":            testProtocolProbe,
		"send and poll":    testSendPoll,
		"strategies":       testStrategies,
		"max bytes":        testMaxBytes,
		"recycled memory":  testRecycle,
		"large messages":   testLarge,
		"too large":        testTooLarge,
		"offsets":          testOffsets,
		"group":            testGroup,
		"group of two":     testGroupOfTwo,
		"group probe":      testProbe,
		"group missing":    testGroupMissing,
		"many at once":     testManyAtOnce,
		"ended context":    testEndedContext,
		"cancel at random": testCancelSendAtRandom,
		"close":            testClose,
		"close in flight":  testCloseInFlight,
		"burst":            testBurst,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &serverSuite{dialer: d, server: s})
		})
	}
}

// runPeers runs the part of the suite with misbehaving peers, in parallel.
func runPeers(t *testing.T, d transport.Dialer, traits traits) {
	for name, test := range map[string]func(*testing.T, *peerSuite){
		"refused":             testRefused,
		"silent handshake":    testSilentHandshake,
		"cancel dial":         testCancelDialAtRandom,
		"stalled":             testStalled,
		"late answer":         testLateAnswer,
		"does not read":       testDoesNotRead,
		"cut while idle":      testCutIdle,
		"cut in flight":       testCutInFlight,
		"half answers":        testHalfAnswers,
		"in single bytes":     testSingleBytes,
		"foreign protocols":   testForeign,
		"newer server":        testNewerServer,
		"malformed answers":   testMalformed,
		"superseded messages": testSuperseded,
		"unexpected answer":   testUnexpectedAnswer,
		"server disconnects":  testServerDisconnects,
		"huge length":         testHugeLength,
		"refused before body": testRefusedEarly,
		"causes of contexts":  testCauses,
		"wait to write":       testWaitToWrite,
		"concurrent polls":    testConcurrentPolls,
		"cut at random":       testCutAtRandom,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &peerSuite{dialer: d, traits: traits})
		})
	}
}

// serverSuite is what a test of runServer uses.
type serverSuite struct {
	dialer transport.Dialer
	server testServer
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	t.Cleanup(cancel)
	return ctx
}

// dial opens a connection and closes it when the test ends.
func (b *serverSuite) dial(t *testing.T) transport.Conn {
	t.Helper()
	c, err := b.dialer.Dial(within(t), b.server.Address, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// login opens a connection and logs in.
func (b *serverSuite) login(t *testing.T) transport.Conn {
	t.Helper()
	c := b.dial(t)
	require.NoError(t, c.Login(within(t), b.server.credentials()))
	return c
}

// requireDone waits until the connection has ended.
func requireDone(t *testing.T, c transport.Conn) {
	t.Helper()
	select {
	case <-c.Done():
		require.Error(t, c.Err())
	case <-time.After(waitTimeout):
		require.Fail(t, "the connection has not ended")
	}
}

func requireUsable(t *testing.T, c transport.Conn) {
	t.Helper()
	require.NoError(t, c.Err())
	require.NoError(t, c.Ping(within(t)))
}
