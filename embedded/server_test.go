package embedded_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // the SDK logs every login
	goleak.VerifyTestMain(m)
}

func TestRestartAtSameAddress(t *testing.T) {
	t.Parallel()
	first, err := embedded.Start()
	require.NoError(t, err)
	address := first.Address()
	c := dial(t, first)
	c.login(t)
	require.NoError(t, first.Stop(context.Background()))
	require.NoError(t, first.Stop(context.Background()), "stopping twice is allowed")
	status, _ := c.receive(t)
	require.Equal(t, embedded.StatusDisconnected, status, "what the real server says on SIGTERM")
	_, _, err = c.tryReceive()
	require.ErrorIs(t, err, io.EOF)

	second := start(t, embedded.WithAddress(address))
	require.Equal(t, address, second.Address())
	dial(t, second).login(t)
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	srv := start(t)
	_, err := embedded.Start(embedded.WithAddress(srv.Address()))
	require.ErrorContains(t, err, srv.Address())
}

func TestCrashResetsConnections(t *testing.T) {
	t.Parallel()
	srv, err := embedded.Start()
	require.NoError(t, err)
	c := dial(t, srv)
	c.login(t)
	srv.Crash()
	_, _, err = c.tryReceive()
	require.Error(t, err)
	require.Empty(t, srv.Connections())
}

func start(t testing.TB, opts ...embedded.Option) *embedded.Server {
	t.Helper()
	srv, err := embedded.Start(opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, srv.Stop(ctx))
	})
	return srv
}

func stop(t testing.TB, srv *embedded.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	require.NoError(t, srv.Stop(ctx))
}

func makeTopic(t testing.TB, srv *embedded.Server, partitions uint32) *testConn {
	t.Helper()
	c := dial(t, srv)
	c.login(t)
	c.mustCall(t, embedded.CreateStream, name("s"))
	c.mustCall(t, embedded.CreateTopic, topicBody(ident("s"), partitions, 1, 0, 0, 0, "t"))
	c.mustCall(t, embedded.CreateGroup, join(ident("s"), ident("t"), name("g")))
	return c
}

var (
	streamS = ident("s")
	topicT  = ident("t")
	groupG  = join(streamS, topicT, ident("g"))
)

func sendN(t testing.TB, c *testConn, partition uint32, n int) {
	t.Helper()
	messages := make([][]byte, n)
	for i := range messages {
		messages[i] = message(uint64(i+1), fmt.Sprintf("message %d", i), "")
	}
	c.mustCall(t, embedded.SendMessages, sendBody(streamS, topicT, toPartition(partition), messages...))
}

func payloads(t testing.TB, srv *embedded.Server, partition uint32) []string {
	t.Helper()
	held, err := srv.Messages("s", "t", partition)
	require.NoError(t, err)
	list := make([]string, len(held))
	for i, m := range held {
		list[i] = string(m.Payload)
		if i > 0 {
			require.Equal(t, held[i-1].Offset+1, m.Offset)
		}
	}
	return list
}

func TestNilOptionIsAnError(t *testing.T) {
	t.Parallel()
	_, err := embedded.Start(embedded.WithAddress("127.0.0.1:0"), nil)
	require.EqualError(t, err, "embedded: option 2 of 2 is nil")
}
