package transporttest

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func testLogin(t *testing.T, b *serverSuite) {
	c := b.dial(t)
	require.NoError(t, c.Ping(within(t)), "a ping needs no login")
	require.NoError(t, c.Login(within(t), b.server.credentials()))
	require.NoError(t, c.Login(within(t), b.server.credentials()), "a second login is accepted")
	requireUsable(t, c)
}

func testLoginRefused(t *testing.T, b *serverSuite) {
	const secret = "not-the-password"
	for name, cred := range map[string]transport.Credentials{
		"password":       {Username: b.server.Username, Password: secret},
		"user":           {Username: "nobody-here", Password: secret},
		"token":          {Token: secret},
		"token wins":     {Username: b.server.Username, Password: b.server.Password, Token: secret},
		"no password":    {Username: b.server.Username},
		"no user":        {Password: secret},
		"long password":  {Username: b.server.Username, Password: strings.Repeat(secret, 20)},
		"long token":     {Token: strings.Repeat(secret, 20)},
		"nothing at all": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.dial(t)
			err := c.Login(within(t), cred)
			require.ErrorIs(t, err, iggyerr.ErrCredentials)
			require.NotContains(t, err.Error(), secret)
			require.False(t, iggyerr.IsRetryable(err))
			require.NoError(t, c.Login(within(t), b.server.credentials()), "the connection takes a better login")
		})
	}
}

func testToken(t *testing.T, b *serverSuite) {
	token := b.operator(t).token(t)
	c := b.dial(t)
	require.NoError(t, c.Login(within(t), transport.Credentials{Token: token}))
	_, err := c.Topic(within(t), unique(), "t")
	require.ErrorIs(t, err, iggyerr.ErrNotFound, "a command that needs a login is answered")
}

// Without a login every command but a ping is refused with status 40. Afterwards the connection is
// unusable: the body of a send stays unread.
func testUnauthenticated(t *testing.T, b *serverSuite) {
	group := transport.Group{Stream: "s", Topic: "t", Name: "g"}
	who := transport.Consumer{Stream: "s", Topic: "t", Name: "c"}
	for name, call := range map[string]func(context.Context, transport.Conn) error{
		"topic": func(ctx context.Context, c transport.Conn) error { _, err := c.Topic(ctx, "s", "t"); return err },
		"send":  func(ctx context.Context, c transport.Conn) error { return c.Send(ctx, "s", "t", 0, batchOf("x")) },
		"poll": func(ctx context.Context, c transport.Conn) error {
			_, err := c.Poll(ctx, transport.Poll{Consumer: who, Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 1})
			return err
		},
		"store offset":  func(ctx context.Context, c transport.Conn) error { return c.StoreOffset(ctx, who, 0, 1) },
		"delete offset": func(ctx context.Context, c transport.Conn) error { return c.DeleteOffset(ctx, who, 0) },
		"offset":        func(ctx context.Context, c transport.Conn) error { _, err := c.Offset(ctx, who, 0); return err },
		"join":          func(ctx context.Context, c transport.Conn) error { return c.Join(ctx, group) },
		"leave":         func(ctx context.Context, c transport.Conn) error { return c.Leave(ctx, group) },
		"members":       func(ctx context.Context, c transport.Conn) error { _, err := c.Members(ctx, group); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.dial(t)
			err := call(within(t), c)
			requireStatus(t, iggyerr.StatusUnauthenticated, err)
			require.True(t, iggyerr.BreaksConnection(err))
			requireDone(t, c)
			requireStatus(t, iggyerr.StatusUnauthenticated, c.Err())
			err = c.Ping(within(t))
			var conn *iggyerr.ConnError
			require.ErrorAs(t, err, &conn)
			require.False(t, conn.Sent)
		})
	}
}

// Names that no request can contain are refused before anything is sent.
func testNames(t *testing.T, b *serverSuite) {
	c := b.dial(t) // not logged in: whatever is sent breaks the connection
	long := strings.Repeat("n", 256)
	ctx := within(t)
	for _, bad := range []string{"", long} {
		_, err := c.Topic(ctx, bad, "t")
		require.ErrorContains(t, err, "stream's name")
		_, err = c.Topic(ctx, "s", bad)
		require.ErrorContains(t, err, "topic's name")
		require.ErrorContains(t, c.Send(ctx, "s", bad, 0, batchOf("x")), "topic's name")
		_, err = c.Poll(ctx, transport.Poll{Consumer: transport.Consumer{Stream: "s", Topic: "t", Name: bad}})
		require.ErrorContains(t, err, "consumer's name")
		require.ErrorContains(t, c.StoreOffset(ctx, transport.Consumer{Stream: bad, Topic: "t", Name: "c"}, 0, 0), "stream's name")
		_, err = c.Offset(ctx, transport.Consumer{Stream: "s", Topic: bad, Name: "c"}, 0)
		require.ErrorContains(t, err, "topic's name")
		require.ErrorContains(t, c.Join(ctx, transport.Group{Stream: "s", Topic: "t", Name: bad}), "group's name")
		require.ErrorContains(t, c.Leave(ctx, transport.Group{Stream: "s", Topic: "t", Name: bad}), "group's name")
		_, err = c.Members(ctx, transport.Group{Stream: bad, Topic: "t", Name: "g"})
		require.ErrorContains(t, err, "stream's name")
		require.False(t, iggyerr.IsRetryable(err))
		require.False(t, iggyerr.MayHaveEffect(err))
	}
	require.ErrorIs(t, c.Send(ctx, "s", "t", 0, &wire.Batch{}), transport.ErrEmptyBatch)
	requireUsable(t, c)
}

func testNotFound(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 1)
	c := b.login(t)
	ctx := within(t)
	missing := unique()

	_, err := c.Topic(ctx, stream, "missing")
	require.ErrorIs(t, err, iggyerr.ErrNotFound)
	require.ErrorContains(t, err, stream+"/missing")
	_, err = c.Topic(ctx, missing, topic)
	require.ErrorIs(t, err, iggyerr.ErrNotFound)

	err = c.Send(ctx, missing, topic, 0, batchOf("x"))
	requireStatus(t, iggyerr.StatusStreamNotFound, err)
	require.ErrorIs(t, err, iggyerr.ErrNotFound)
	require.ErrorContains(t, err, missing+"/"+topic+"/0")
	require.False(t, iggyerr.MayHaveEffect(err))
	requireStatus(t, iggyerr.StatusTopicNotFound, c.Send(ctx, stream, "missing", 0, batchOf("x")))
	requireStatus(t, iggyerr.StatusPartitionNotFound, c.Send(ctx, stream, topic, 7, batchOf("x")))

	who := transport.Consumer{Stream: stream, Topic: topic, Name: "c"}
	_, err = c.Poll(ctx, transport.Poll{Consumer: who, Partition: 7, Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 1})
	requireStatus(t, iggyerr.StatusPartitionNotFound, err)
	require.ErrorContains(t, err, stream+"/"+topic+"/7 consumer c")
	requireUsable(t, c)
}

func requireStatus(t *testing.T, want iggyerr.Status, err error) {
	t.Helper()
	var status *iggyerr.StatusError
	require.ErrorAs(t, err, &status)
	require.Equal(t, want, status.Status)
}

// batchOf returns a batch of these payloads.
// clearBatch overwrites the memory of a batch.
func clearBatch(b *wire.Batch) {
	for _, chunk := range b.Chunks() {
		clear(chunk)
	}
}

func batchOf(payloads ...string) *wire.Batch {
	var b wire.Batch
	for i, p := range payloads {
		b.Append([16]byte{15: byte(i + 1)}, uint64(i+1), []byte(p), nil)
	}
	return &b
}
