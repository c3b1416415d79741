package admin

import (
	"cmp"
	"context"
	"slices"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Group names a consumer group of a topic.
type Group struct {
	Stream string `json:"stream"`
	Topic  string `json:"topic"`
	Name   string `json:"name"`
}

// String is "stream/topic group name".
func (g Group) String() string { return transport.Group(g).String() }

// GroupInfo describes a consumer group.
type GroupInfo struct {
	Group
	// Members is the number of connections that are members.
	Members uint32 `json:"members"`
}

// Groups lists a topic's consumer groups by name. The error matches iggyerr.ErrNotFound when there
// is no such stream or topic.
func (a *Admin) Groups(ctx context.Context, stream, topic string) ([]GroupInfo, error) {
	var groups []GroupInfo
	err := a.do(ctx, func(ctx context.Context, s session) (err error) {
		// The server answers with an empty list when the topic is missing.
		if _, _, err = s.topic(ctx, stream, topic); err != nil {
			return err
		}
		groups, err = s.groups(ctx, stream, topic)
		return err
	})
	return groups, err
}

func (s session) groups(ctx context.Context, stream, topic string) ([]GroupInfo, error) {
	var all []iggcon.ConsumerGroup
	err := s.call(ctx, "list groups", transport.ObjectTopic(stream, topic), func(c *tcp.IggyTcpClient) (err error) {
		all, err = c.GetConsumerGroups(identifier(stream), identifier(topic))
		return err
	})
	if err != nil {
		return nil, err
	}
	groups := make([]GroupInfo, len(all))
	for i, g := range all {
		groups[i] = GroupInfo{Group: Group{Stream: stream, Topic: topic, Name: g.Name}, Members: g.MembersCount}
	}
	slices.SortFunc(groups, func(a, b GroupInfo) int { return cmp.Compare(a.Name, b.Name) })
	return groups, nil
}

func sdkConsumer(g Group) iggcon.Consumer { return iggcon.NewGroupConsumer(identifier(g.Name)) }
