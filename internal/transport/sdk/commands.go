package sdk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// name returns an identifier of the SDK. The length of s was checked before.
func name(s string) iggcon.Identifier {
	return iggcon.Identifier{Kind: iggcon.StringId, Length: len(s), Value: []byte(s)}
}

func consumer(c transport.Consumer) iggcon.Consumer {
	if c.Group {
		return iggcon.NewGroupConsumer(name(c.Name))
	}
	return iggcon.NewSingleConsumer(name(c.Name))
}

// Ping checks that the server answers.
func (c *conn) Ping(ctx context.Context) error {
	return c.do(ctx, "ping", "", &exchange{}, c.client.Ping)
}

// Cluster reads the metadata of the cluster.
func (c *conn) Cluster(ctx context.Context) (transport.Cluster, error) {
	var metadata *iggcon.ClusterMetadata
	err := c.do(ctx, "read cluster", "", &exchange{}, func() (err error) {
		metadata, err = c.client.GetClusterMetadata()
		return err
	})
	if err != nil {
		return transport.Cluster{}, err
	}
	cluster := transport.Cluster{Name: metadata.Name, Nodes: make([]transport.Node, len(metadata.Nodes))}
	for i, n := range metadata.Nodes {
		cluster.Nodes[i] = transport.Node{
			Name: n.Name, Host: n.IP, Port: n.Endpoints.Tcp,
			Leader: n.Role == iggcon.RoleLeader, Status: transport.NodeStatus(n.Status),
		}
	}
	return cluster, nil
}

// Topic reads a topic's metadata.
func (c *conn) Topic(ctx context.Context, stream, topic string) (transport.Topic, error) {
	const op = "read topic"
	if err := transport.CheckNames(op, "stream", stream, "topic", topic); err != nil {
		return transport.Topic{}, err
	}
	var details *iggcon.TopicDetails
	err := c.do(ctx, op, transport.ObjectTopic(stream, topic), &exchange{}, func() (err error) {
		details, err = c.client.GetTopic(name(stream), name(topic))
		return err
	})
	if err != nil {
		return transport.Topic{}, err
	}
	partitions := make([]transport.Partition, len(details.Partitions))
	for i, p := range details.Partitions {
		partitions[i] = transport.Partition{ID: p.Id, Messages: p.MessagesCount, CurrentOffset: p.CurrentOffset}
	}
	slices.SortFunc(partitions, func(a, b transport.Partition) int { return cmp.Compare(a.ID, b.ID) })
	return transport.Topic{Partitions: partitions}, nil
}

// Send appends the batch to one partition.
func (c *conn) Send(ctx context.Context, stream, topic string, partition uint32, b *wire.Batch) error {
	const op = "send"
	if err := transport.CheckNames(op, "stream", stream, "topic", topic); err != nil {
		return err
	}
	if b.Len() == 0 {
		return transport.ErrEmptyBatch
	}
	messages := make([]iggcon.IggyMessage, 0, b.Len())
	for m := range b.Messages() {
		messages = append(messages, iggcon.IggyMessage{
			Header: iggcon.MessageHeader{
				Id:               m.ID,
				OriginTimestamp:  m.OriginTimestamp,
				UserHeaderLength: uint32(len(m.Headers)),
				PayloadLength:    uint32(len(m.Payload)),
			},
			Payload:     m.Payload,
			UserHeaders: m.Headers,
		})
	}
	return c.do(ctx, op, transport.ObjectPartition(stream, topic, partition), &exchange{}, func() error {
		return c.client.SendMessages(name(stream), name(topic), iggcon.PartitionId(partition), messages)
	})
}

// Poll reads messages.
func (c *conn) Poll(ctx context.Context, p transport.Poll) (*transport.Polled, error) {
	const op = "poll"
	if err := checkConsumer(op, p.Consumer); err != nil {
		return nil, err
	}
	var partition *uint32
	if p.Partition != transport.AnyPartition {
		id := uint32(p.Partition)
		partition = &id
	}
	var polled *iggcon.PolledMessage
	x := &exchange{}
	err := c.do(ctx, op, p.Consumer.Object(p.Partition), x, func() (err error) {
		polled, err = c.client.PollMessages(name(p.Consumer.Stream), name(p.Consumer.Topic), consumer(p.Consumer),
			iggcon.NewPollingStrategy(iggcon.MessagePolling(p.Strategy.Kind), p.Strategy.Value), p.Count, false, partition)
		if err == nil && int64(len(polled.Messages)) > int64(polled.MessageCount) {
			polled.Messages = transport.DropSuperseded(polled.Messages, func(m *iggcon.IggyMessage) uint64 { return m.Header.Offset })
		}
		if err == nil && int64(len(polled.Messages)) != int64(polled.MessageCount) {
			// The SDK stops silently at a message that it can't decode.
			err = transport.Malformed("poll: %d messages of %d", len(polled.Messages), polled.MessageCount)
		}
		return err
	})
	var lost *iggyerr.ConnError
	if _, answered, _ := x.outcome(); answered && errors.As(err, &lost) && errors.Is(err, iggyerr.ErrProtocol) {
		lost.Err = fmt.Errorf("%w: %w", transport.ErrUndecodable, lost.Err)
	}
	if err != nil {
		return nil, err
	}
	return toPolled(polled, p.MaxBytes), nil
}

// toPolled converts the messages up to maxBytes.
func toPolled(polled *iggcon.PolledMessage, maxBytes int) *transport.Polled {
	answer := &transport.Polled{Partition: polled.PartitionId, CurrentOffset: polled.CurrentOffset}
	size := 0
	for i, m := range polled.Messages {
		size += wire.EncodedSize(len(m.Payload), len(m.UserHeaders))
		if maxBytes > 0 && size > maxBytes && i > 0 {
			answer.Truncated = true
			break
		}
		answer.Messages = append(answer.Messages, wire.Message{
			ID:              m.Header.Id,
			Offset:          m.Header.Offset,
			Timestamp:       m.Header.Timestamp,
			OriginTimestamp: m.Header.OriginTimestamp,
			Payload:         m.Payload,
			Headers:         m.UserHeaders,
		})
	}
	return answer
}

// StoreOffset sets a consumer's offset.
func (c *conn) StoreOffset(ctx context.Context, who transport.Consumer, partition uint32, offset uint64) error {
	const op = "store offset"
	if err := checkConsumer(op, who); err != nil {
		return err
	}
	return c.do(ctx, op, who.Object(int64(partition)), &exchange{}, func() error {
		return c.client.StoreConsumerOffset(consumer(who), name(who.Stream), name(who.Topic), offset, &partition)
	})
}

// DeleteOffset deletes a consumer's offset.
func (c *conn) DeleteOffset(ctx context.Context, who transport.Consumer, partition uint32) error {
	const op = "delete offset"
	if err := checkConsumer(op, who); err != nil {
		return err
	}
	return c.do(ctx, op, who.Object(int64(partition)), &exchange{}, func() error {
		return c.client.DeleteConsumerOffset(consumer(who), name(who.Stream), name(who.Topic), &partition)
	})
}

// Offset reads a consumer's offset.
func (c *conn) Offset(ctx context.Context, who transport.Consumer, partition uint32) (transport.Offset, error) {
	const op = "read offset"
	if err := checkConsumer(op, who); err != nil {
		return transport.Offset{}, err
	}
	var info *iggcon.ConsumerOffsetInfo
	err := c.do(ctx, op, who.Object(int64(partition)), &exchange{}, func() (err error) {
		info, err = c.client.GetConsumerOffset(consumer(who), name(who.Stream), name(who.Topic), &partition)
		return err
	})
	if err != nil || info == nil {
		return transport.Offset{}, err
	}
	return transport.Offset{Stored: true, Offset: info.StoredOffset, CurrentOffset: info.CurrentOffset}, nil
}

// Join makes the connection a member of the group.
func (c *conn) Join(ctx context.Context, g transport.Group) error {
	return c.group(ctx, "join", g, c.client.JoinConsumerGroup)
}

// Leave ends the membership.
func (c *conn) Leave(ctx context.Context, g transport.Group) error {
	return c.group(ctx, "leave", g, c.client.LeaveConsumerGroup)
}

func (c *conn) group(ctx context.Context, op string, g transport.Group, call func(stream, topic, group iggcon.Identifier) error) error {
	if err := transport.CheckNames(op, "stream", g.Stream, "topic", g.Topic, "group", g.Name); err != nil {
		return err
	}
	return c.do(ctx, op, g.String(), &exchange{}, func() error {
		return call(name(g.Stream), name(g.Topic), name(g.Name))
	})
}

// Members reads which partitions each member of the group owns.
func (c *conn) Members(ctx context.Context, g transport.Group) (transport.Members, error) {
	const op = "read group"
	if err := transport.CheckNames(op, "stream", g.Stream, "topic", g.Topic, "group", g.Name); err != nil {
		return transport.Members{}, err
	}
	var details *iggcon.ConsumerGroupDetails
	err := c.do(ctx, op, g.String(), &exchange{}, func() (err error) {
		details, err = c.client.GetConsumerGroup(name(g.Stream), name(g.Topic), name(g.Name))
		return err
	})
	if err != nil {
		return transport.Members{}, err
	}
	members := transport.Members{Partitions: make([][]uint32, len(details.Members))}
	for i, m := range details.Members {
		members.Partitions[i] = m.Partitions
	}
	return members, nil
}

func checkConsumer(op string, c transport.Consumer) error {
	return transport.CheckNames(op, "stream", c.Stream, "topic", c.Topic, "consumer", c.Name)
}

// Login authenticates the connection. The relay makes the request itself; see the package's
// comment.
func (c *conn) Login(ctx context.Context, cred transport.Credentials) error {
	if err := transport.CheckCredentials(cred); err != nil {
		return err
	}
	var frame []byte
	if cred.Token != "" {
		frame = wire.AppendTokenLogin(wire.BeginFrame(nil, wire.CodeTokenLogin), cred.Token)
	} else {
		frame = wire.AppendLogin(wire.BeginFrame(nil, wire.CodeLogin), cred.Username, cred.Password)
	}
	wire.EndFrame(frame, 0)
	x := &exchange{body: make(chan []byte, 1)}
	return c.do(ctx, "login", "", x, func() error {
		x.setSent(true)
		if _, err := c.serverSide.Write(frame); err != nil {
			x.setSent(false)
			return err
		}
		var body []byte
		select {
		case body = <-x.body:
		case <-c.done:
			return c.Err()
		}
		if _, _, status := x.outcome(); status != 0 {
			return &iggyerr.StatusError{Op: "login", Status: status}
		}
		if len(body) != 4 {
			return transport.Malformed("login: %d bytes", len(body))
		}
		return nil
	})
}
