package group

import (
	"context"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// maxPartitions is the largest number of partitions of a topic.
const maxPartitions = 1000

// server makes the requests of a member, over a session or over the connection of the transient
// member. It has no state.
type server struct {
	connection interface {
		Do(ctx context.Context, fn func(context.Context, transport.Conn) error) error
	}
	consumer transport.Consumer
}

func (s server) group(name string) transport.Group {
	return transport.Group{Stream: s.consumer.Stream, Topic: s.consumer.Topic, Name: name}
}

func (s server) join(ctx context.Context, group string) error {
	return s.connection.Do(ctx, func(ctx context.Context, c transport.Conn) error { return c.Join(ctx, s.group(group)) })
}

func (s server) leave(ctx context.Context, group string) error {
	err := s.connection.Do(ctx, func(ctx context.Context, c transport.Conn) error { return c.Leave(ctx, s.group(group)) })
	if protocol.IsNotMember(err) { // it has left already
		return nil
	}
	return err
}

func (s server) members(ctx context.Context, group string) (members transport.Members, err error) {
	err = s.connection.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		members, err = c.Members(ctx, s.group(group))
		return err
	})
	return members, err
}

// size returns how many members a group has.
func (s server) size(ctx context.Context, group string) (int, error) {
	members, err := s.members(ctx, group)
	return len(members.Partitions), err
}

// partitions returns the ids of the topic's partitions.
func (s server) partitions(ctx context.Context) (ids []uint32, err error) {
	err = s.connection.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		meta, err := c.Topic(ctx, s.consumer.Stream, s.consumer.Topic)
		for _, p := range meta.Partitions {
			ids = append(ids, p.ID)
		}
		return err
	})
	return ids, err
}

// owns reports whether a partition is assigned to this member in a group, including one that the
// server is about to move.
func (s server) owns(ctx context.Context, group string, id uint32) (owned bool, err error) {
	member := s.consumer
	member.Name = group
	err = s.connection.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		owned, err = protocol.Owns(ctx, c, member, id)
		return err
	})
	return owned, err
}

// rotation returns the assigned partitions without those that the server is about to move. The
// server names them one after another, so they are read until they repeat. It keeps the rotation
// twice and switches between the two with every change of its metadata, so the rotation may jump: a
// partition counts as missing only when it was not named in more than two rounds (measured on Iggy
// 0.8.0).
func (s server) rotation(ctx context.Context, known []uint32) (ids []uint32, err error) {
	for again := 0; again <= 2*(len(ids)+1) && len(ids) <= maxPartitions; {
		id, err := s.nextPartition(ctx)
		if err != nil {
			return nil, err
		}
		i := slices.Index(ids, id)
		if i < 0 {
			ids, again = append(ids, id), 0
			continue
		}
		again++
		if i == 0 && !slices.ContainsFunc(known, func(id uint32) bool { return !slices.Contains(ids, id) }) {
			break
		}
	}
	if i := slices.Index(ids, 0); i >= 0 {
		// A member without any partition is answered like the owner of an empty partition 0.
		owned, err := s.owns(ctx, s.consumer.Name, 0)
		if err != nil {
			return nil, err
		}
		if !owned {
			ids = slices.Delete(ids, i, i+1)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// nextPartition returns the partition that the server names next. A poll without a partition id, at
// an offset beyond every log, returns no messages but names an assigned partition, one after
// another (measured on Iggy 0.8.0).
func (s server) nextPartition(ctx context.Context) (id uint32, err error) {
	err = s.connection.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		polled, err := c.Poll(ctx, transport.Poll{
			Consumer: s.consumer, Partition: transport.AnyPartition, Count: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset, Value: protocol.BeyondLogs},
		})
		if err == nil {
			id = polled.Partition
		}
		return err
	})
	return id, err
}

// repoll polls the message at offset, so that it is the last one polled.
func (s server) repoll(ctx context.Context, id uint32, offset uint64) error {
	return s.connection.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		_, err := c.Poll(ctx, transport.Poll{
			Consumer: s.consumer, Partition: int64(id), Count: 1, MaxBytes: 1,
			Strategy: transport.Strategy{Kind: transport.FromOffset, Value: offset},
		})
		return err
	})
}

func (s server) store(ctx context.Context, id uint32, offset uint64) error {
	return s.connection.Do(ctx, func(ctx context.Context, c transport.Conn) error {
		return c.StoreOffset(ctx, s.consumer, id, offset)
	})
}
