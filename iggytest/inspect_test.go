package iggytest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

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
