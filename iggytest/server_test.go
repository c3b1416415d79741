package iggytest_test

import (
	"crypto/tls"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

const (
	stream = "shop"
	topic  = "orders"
	group  = "packers"
)

func connect(t *testing.T, srv *iggytest.Server, config *tls.Config) transport.Conn {
	t.Helper()
	conn, err := sdk.Dialer{}.Dial(t.Context(), srv.Endpoint(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.Login(t.Context(), transport.Credentials{Username: iggytest.Username, Password: iggytest.Password}))
	return conn
}

func send(t *testing.T, conn transport.Conn, partition uint32, payloads ...string) error {
	t.Helper()
	var batch wire.Batch
	for i, p := range payloads {
		batch.Append([16]byte{byte(i + 1)}, 1, []byte(p), nil)
	}
	return conn.Send(t.Context(), stream, topic, partition, &batch)
}

func TestServerShowsStoredState(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	require.Empty(t, srv.Messages(stream, topic))
	srv.CreateTopic(stream, topic, 3)
	srv.CreateTopic(stream, topic, 3)
	srv.CreateGroup(stream, topic, group)
	srv.CreateGroup(stream, topic, group)
	_, ok := srv.Committed(stream, topic, group, 2)
	require.False(t, ok)

	conn := connect(t, srv, nil)
	sent := make(chan error, 1)
	go func() { sent <- send(t, conn, 2, "one", "two") }()
	messages := srv.WaitMessages(stream, topic, 2)
	require.NoError(t, <-sent)
	require.Len(t, messages, 2)
	require.Equal(t, "two", string(messages[1].Payload))
	require.EqualValues(t, 1, messages[1].Offset)
	require.EqualValues(t, 2, messages[1].Partition)
	require.Equal(t, [16]byte{2}, messages[1].ID)

	member := connect(t, srv, nil)
	require.NoError(t, member.Join(t.Context(), transport.Group{Stream: stream, Topic: topic, Name: group}))
	require.Equal(t, 1, srv.Members(stream, topic, group))
	who := transport.Consumer{Stream: stream, Topic: topic, Name: group, Group: true}
	go func() { sent <- member.StoreOffset(t.Context(), who, 2, 1) }()
	srv.WaitCommitted(stream, topic, group, 2, 1)
	require.NoError(t, <-sent)
}

func TestSendWithLostAnswer(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	srv.CreateTopic(stream, topic, 1)
	lost := srv.Inject(iggytest.Cut().AfterEffect().On(embedded.SendMessages).Times(1))
	err := send(t, connect(t, srv, nil), 0, "stored")
	var broken *iggyerr.ConnError
	require.ErrorAs(t, err, &broken)
	require.True(t, broken.Sent)
	lost.Wait(1)
	require.Len(t, srv.Messages(stream, topic), 1)
}

func TestGroupFaults(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	srv.CreateTopic(stream, topic, 1)
	require.Error(t, srv.Rebalance(stream, topic, group))
	require.Error(t, srv.RemoveMembers(stream, topic, group))
	require.Error(t, srv.DeleteGroup(stream, topic, group))
	srv.CreateGroup(stream, topic, group)

	g := transport.Group{Stream: stream, Topic: topic, Name: group}
	poll := transport.Poll{
		Consumer:  transport.Consumer{Stream: stream, Topic: topic, Name: group, Group: true},
		Partition: transport.AnyPartition, Strategy: transport.Strategy{Kind: 5}, Count: 1, // behind the stored offset
	}
	require.NoError(t, send(t, connect(t, srv, nil), 0, "one"))
	first, second := connect(t, srv, nil), connect(t, srv, nil)
	require.NoError(t, first.Join(t.Context(), g))
	polled, err := first.Poll(t.Context(), poll)
	require.NoError(t, err)
	require.Len(t, polled.Messages, 1)
	require.NoError(t, second.Join(t.Context(), g))
	require.NoError(t, first.Leave(t.Context(), g))
	require.NoError(t, first.Join(t.Context(), g))
	// Both are members, and the second one has the partition. Dealing again
	// goes by the order of joining.
	require.NoError(t, srv.Rebalance(stream, topic, group))
	members, err := srv.Embedded().GroupMembers(stream, topic, group)
	require.NoError(t, err)
	require.Len(t, members[0].Partitions, 1)

	redeal := srv.Inject(iggytest.Do(func(iggytest.Request) { _ = srv.RemoveMembers(stream, topic, group) }).On(embedded.PollMessages).Times(1))
	for _, conn := range []transport.Conn{first, second} {
		_, err = conn.Poll(t.Context(), poll)
		require.ErrorIs(t, err, iggyerr.ErrNotMember)
	}
	redeal.Wait(1)
	require.Zero(t, srv.Members(stream, topic, group))
	require.NoError(t, first.Join(t.Context(), g))

	require.NoError(t, srv.DeleteGroup(stream, topic, group))
	_, err = first.Poll(t.Context(), poll)
	var status *iggyerr.StatusError
	require.ErrorAs(t, err, &status)
	require.Equal(t, iggyerr.StatusGroupNotFound, status.Status)
}

// TestCrash crashes the server between a send's effect and its answer.
func TestCrashBetweenEffectAndAnswer(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	srv.CreateTopic(stream, topic, 1)
	crash := srv.Inject(iggytest.Do(func(iggytest.Request) { srv.Crash() }).AfterEffect().On(embedded.SendMessages).Times(1))
	conn := connect(t, srv, nil)
	require.Error(t, send(t, conn, 0, "lost"))
	crash.Wait(1)
	<-conn.Done()
	_, err := net.Dial("tcp", srv.Endpoint())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)

	endpoint := srv.Endpoint()
	srv.Start()
	require.Equal(t, endpoint, srv.Endpoint())
	require.Empty(t, srv.Messages(stream, topic), "memory is gone")
	srv.CreateTopic(stream, topic, 1)
	require.NoError(t, send(t, connect(t, srv, nil), 0, "kept"))
	srv.Stop()
	srv.Start()
	require.NoError(t, connect(t, srv, nil).Ping(t.Context()))
}

func TestTLSServer(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewTLSServer(t)
	srv.CreateTopic(stream, topic, 1)
	conn := connect(t, srv, trust(t, srv.CA()))
	require.NoError(t, send(t, conn, 0, "one"))
	// Faults know the frames behind TLS, too.
	srv.Inject(iggytest.Cut().AfterEffect().On(embedded.SendMessages))
	require.Error(t, send(t, conn, 0, "two"))
	require.Len(t, srv.Messages(stream, topic), 2)
	_, err := sdk.Dialer{}.Dial(t.Context(), srv.Endpoint(), &tls.Config{})
	require.Error(t, err, "an unknown authority")
	require.Nil(t, iggytest.NewServer(t).CA())
}

func TestServerWithOptions(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t, embedded.WithCredentials("someone", "else"))
	conn, err := sdk.Dialer{}.Dial(t.Context(), srv.Endpoint(), nil)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.ErrorIs(t, conn.Login(t.Context(), transport.Credentials{Username: "iggy", Password: "iggy"}), iggyerr.ErrCredentials)
	require.NoError(t, conn.Login(t.Context(), transport.Credentials{Username: "someone", Password: "else"}))
}
