package transporttest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// beyond is an offset that no log reaches: polls at it return no messages, but name an owned
// partition.
const probeOffset = 1 << 62

func memberOf(g transport.Group) transport.Consumer {
	return transport.Consumer{Stream: g.Stream, Topic: g.Topic, Name: g.Name, Group: true}
}

func testGroup(t *testing.T, b *serverSuite) {
	o, stream, topic := b.topic(t, 3)
	g := o.group(t, stream, topic, "workers")
	c := b.login(t)
	member := memberOf(g)
	require.NoError(t, c.Send(within(t), stream, topic, 2, batchOf("a", "b")))

	// A stranger may neither poll nor store nor leave, and does no harm by trying.
	_, err := c.Poll(within(t), transport.Poll{Consumer: member, Partition: 2, Strategy: transport.Strategy{Kind: fromNext}, Count: 10})
	require.ErrorIs(t, err, iggyerr.ErrNotMember)
	require.ErrorContains(t, err, "group workers")
	require.ErrorIs(t, c.StoreOffset(within(t), member, 2, 0), iggyerr.ErrNotMember)
	require.ErrorIs(t, c.DeleteOffset(within(t), member, 2), iggyerr.ErrNotMember)
	require.ErrorIs(t, c.Leave(within(t), g), iggyerr.ErrNotMember)
	members, err := c.Members(within(t), g)
	require.NoError(t, err)
	require.Empty(t, members.Partitions)

	require.NoError(t, c.Join(within(t), g))
	require.NoError(t, c.Join(within(t), g), "joining twice is accepted")
	members, err = c.Members(within(t), g)
	require.NoError(t, err)
	require.Len(t, members.Partitions, 1)
	require.ElementsMatch(t, []uint32{0, 1, 2}, members.Partitions[0])

	got, err := c.Poll(within(t), transport.Poll{Consumer: member, Partition: 2, Strategy: transport.Strategy{Kind: fromNext}, Count: 10})
	require.NoError(t, err)
	require.Equal(t, "ab", payloads(got))
	require.NoError(t, c.StoreOffset(within(t), member, 2, 0))
	stored, err := c.Offset(within(t), member, 2)
	require.NoError(t, err)
	require.Equal(t, transport.Offset{Stored: true, Offset: 0, CurrentOffset: 1}, stored)
	got, err = c.Poll(within(t), transport.Poll{Consumer: member, Partition: 2, Strategy: transport.Strategy{Kind: fromNext}, Count: 10})
	require.NoError(t, err)
	require.Equal(t, "b", payloads(got))

	require.NoError(t, c.Leave(within(t), g))
	_, err = c.Poll(within(t), transport.Poll{Consumer: member, Partition: 2, Strategy: transport.Strategy{Kind: fromNext}, Count: 10})
	require.ErrorIs(t, err, iggyerr.ErrNotMember)

	// Lag can be watched by anyone.
	stored, err = c.Offset(within(t), member, 2)
	require.NoError(t, err)
	require.Equal(t, transport.Offset{Stored: true, Offset: 0, CurrentOffset: 1}, stored)
	requireUsable(t, c)
}

// Two members share two partitions: each owns one of them.
func testGroupOfTwo(t *testing.T, b *serverSuite) {
	o, stream, topic := b.topic(t, 2)
	g := o.group(t, stream, topic, "workers")
	member := memberOf(g)
	first, second := b.login(t), b.login(t)
	sender := b.login(t) // a send may end its connection's membership
	require.NoError(t, sender.Send(within(t), stream, topic, 0, batchOf("a")))
	require.NoError(t, sender.Send(within(t), stream, topic, 1, batchOf("b")))
	require.NoError(t, first.Join(within(t), g))
	require.NoError(t, second.Join(within(t), g))
	require.Eventually(t, func() bool {
		members, err := first.Members(within(t), g)
		return err == nil && len(members.Partitions) == 2 &&
			len(members.Partitions[0]) == 1 && len(members.Partitions[1]) == 1
	}, waitTimeout, waitTimeout/1000)

	mine := int64(probe(t, second, member))
	others := 1 - mine
	require.Equal(t, uint32(others), probe(t, first, member))
	require.Equal(t, uint32(mine), probe(t, second, member))

	got, err := second.Poll(within(t), transport.Poll{Consumer: member, Partition: mine, Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 10})
	require.NoError(t, err)
	require.Len(t, got.Messages, 1)
	require.Equal(t, uint32(mine), got.Partition)
	got, err = second.Poll(within(t), transport.Poll{Consumer: member, Partition: others, Strategy: transport.Strategy{Kind: transport.FromFirst}, Count: 10})
	require.NoError(t, err)
	require.Equal(t, &transport.Polled{}, got, "not owned is neither an error nor the end of the log")
	require.NoError(t, second.StoreOffset(within(t), member, uint32(mine), 0))
	err = second.StoreOffset(within(t), member, uint32(others), 0)
	require.ErrorIs(t, err, iggyerr.ErrNotOwner)
	requireStatus(t, iggyerr.StatusNotOwner, err)

	// A connection that ends hands its partitions over.
	require.NoError(t, second.Close())
	require.Eventually(t, func() bool {
		members, err := first.Members(within(t), g)
		return err == nil && len(members.Partitions) == 1 && len(members.Partitions[0]) == 2
	}, waitTimeout, waitTimeout/1000)
}

// Polls that name no partition return the owned ones round robin. The order is not strict: the
// server keeps its position in two copies, and continues with the other copy when anything about
// streams, topics or groups changes.
func testProbe(t *testing.T, b *serverSuite) {
	o, stream, topic := b.topic(t, 4)
	g := o.group(t, stream, topic, "workers")
	sender := b.login(t)
	require.NoError(t, sender.Send(within(t), stream, topic, 3, batchOf("a", "b", "c")))
	c := b.login(t)
	require.NoError(t, c.Join(within(t), g))
	current := map[uint32]uint64{}
	for ctx := within(t); len(current) < 4; {
		p, err := c.Poll(ctx, probeFor(memberOf(g)))
		require.NoError(t, err)
		require.Empty(t, p.Messages)
		current[p.Partition] = p.CurrentOffset
	}
	require.Equal(t, map[uint32]uint64{0: 0, 1: 0, 2: 0, 3: 2}, current)
}

func probeFor(member transport.Consumer) transport.Poll {
	return transport.Poll{
		Consumer: member, Partition: transport.AnyPartition,
		Strategy: transport.Strategy{Kind: transport.FromOffset, Value: probeOffset}, Count: 1,
	}
}

// probe asks for an owned partition.
func probe(t *testing.T, c transport.Conn, member transport.Consumer) uint32 {
	t.Helper()
	p, err := c.Poll(within(t), probeFor(member))
	require.NoError(t, err)
	require.Empty(t, p.Messages)
	return p.Partition
}

func testGroupMissing(t *testing.T, b *serverSuite) {
	_, stream, topic := b.topic(t, 1)
	c := b.login(t)
	g := transport.Group{Stream: stream, Topic: topic, Name: "missing"}
	err := c.Join(within(t), g)
	requireStatus(t, iggyerr.StatusGroupNotFound, err)
	require.ErrorIs(t, err, iggyerr.ErrNotFound)
	require.ErrorContains(t, err, stream+"/"+topic+" group missing")
	requireStatus(t, iggyerr.StatusGroupNotFound, c.Leave(within(t), g))
	_, err = c.Members(within(t), g)
	requireStatus(t, iggyerr.StatusGroupNotFound, err)
	requireUsable(t, c)
}
