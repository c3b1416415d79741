package embedded_test

import (
	"testing"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func sdkID(t testing.TB, name string) iggcon.Identifier {
	t.Helper()
	id, err := iggcon.NewIdentifier(name)
	require.NoError(t, err)
	return id
}

func sdkClient(t testing.TB, srv *embedded.Server, opts ...tcp.Option) iggcon.Client {
	t.Helper()
	client, err := tcp.NewIggyTcpClient(append([]tcp.Option{tcp.WithServerAddress(srv.Address())}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func loggedIn(t testing.TB, srv *embedded.Server, opts ...tcp.Option) iggcon.Client {
	t.Helper()
	client := sdkClient(t, srv, opts...)
	_, err := client.LoginUser(embedded.DefaultUsername, embedded.DefaultPassword)
	require.NoError(t, err)
	return client
}

func sdkMessage(t testing.TB, payload string) iggcon.IggyMessage {
	t.Helper()
	m, err := iggcon.NewIggyMessage([]byte(payload), iggcon.WithID(uuid.New()))
	require.NoError(t, err)
	return m
}

// TestSDKProducesAndConsumes sends, polls and commits messages with the official SDK.
func TestSDKProducesAndConsumes(t *testing.T) {
	t.Parallel()
	srv := start(t)
	client := loggedIn(t, srv)
	stream, topic, group := sdkID(t, "shop"), sdkID(t, "orders"), sdkID(t, "workers")

	_, err := client.CreateStream("shop")
	require.NoError(t, err)
	created, err := client.CreateTopic(stream, "orders", 3, iggcon.CompressionAlgorithmNone, 0, 0, nil)
	require.NoError(t, err)
	require.Len(t, created.Partitions, 3)
	_, err = client.CreateConsumerGroup(stream, topic, "workers")
	require.NoError(t, err)

	sender := loggedIn(t, srv)
	require.NoError(t, sender.SendMessages(stream, topic, iggcon.PartitionId(1), []iggcon.IggyMessage{
		sdkMessage(t, "one"), sdkMessage(t, "two"),
	}))

	consumer := iggcon.NewGroupConsumer(group)
	require.NoError(t, client.JoinConsumerGroup(stream, topic, group))
	partition := uint32(1)
	polled, err := client.PollMessages(stream, topic, consumer, iggcon.NextPollingStrategy(), 10, false, &partition)
	require.NoError(t, err)
	require.Len(t, polled.Messages, 2)
	require.Equal(t, "two", string(polled.Messages[1].Payload))

	require.NoError(t, client.StoreConsumerOffset(consumer, stream, topic, 1, &partition))
	stored, ok, err := srv.StoredOffset("shop", "orders", "workers", 1)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 1, stored)

	held, err := srv.Messages("shop", "orders", 1)
	require.NoError(t, err)
	require.Len(t, held, 2)
	require.Equal(t, "one", string(held[0].Payload))

	members, err := srv.GroupMembers("shop", "orders", "workers")
	require.NoError(t, err)
	require.Len(t, members, 1)
	require.Equal(t, []uint32{0, 1, 2}, members[0].Partitions)
}
