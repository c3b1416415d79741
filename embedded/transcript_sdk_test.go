package embedded_test

import (
	"errors"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	ierror "github.com/apache/iggy/foreign/go/errors"
	"github.com/stretchr/testify/require"
)

// sdk returns a client of the official SDK that is logged in at the script's target.
func (s *script) sdk() iggcon.Client {
	s.t.Helper()
	client, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(s.target.address))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = client.Close() })
	_, err = client.LoginUser(s.target.username, s.target.password)
	require.NoError(s.t, err)
	return client
}

// failure returns the text of an error as the SDK shows it.
func failure(err error) string {
	var coded ierror.IggyError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &coded):
		return coded.Error()
	default:
		return err.Error()
	}
}

// scriptSDK calls every function of the official SDK v0.8.0 and writes what it returns.
func scriptSDK(s *script) {
	c := s.sdk()
	id := func(n string) iggcon.Identifier { return sdkID(s.t, n) }
	stream, topic, group := id(s.name("sdk")), id("orders"), id("workers")
	s.streams = append(s.streams, s.name("sdk"), s.name("renamed"))
	note := func(call string, err error, args ...any) { s.note("%s: %s %v", call, failure(err), args) }

	cluster, err := c.GetClusterMetadata()
	note("cluster", err, cluster.Name, len(cluster.Nodes), cluster.Nodes[0].Name, cluster.Nodes[0].Role, cluster.Nodes[0].Status)
	note("ping", c.Ping())
	st, err := c.CreateStream(s.name("sdk"))
	note("create stream", err, len(st.Name), st.TopicsCount, st.SizeBytes, st.MessagesCount, st.CreatedAt > 0)
	_, err = c.CreateStream(s.name("sdk"))
	note("create stream again", err)
	_, err = c.GetStream(id(s.name("missing")))
	note("get missing stream", err)
	tp, err := c.CreateTopic(stream, "orders", 3, iggcon.CompressionAlgorithmNone, 7*24*iggcon.Hour, 0, nil)
	note("create topic", err, tp.Id, tp.Name, tp.PartitionsCount, tp.MessageExpiry, tp.MaxTopicSize, tp.ReplicationFactor, len(tp.Partitions))
	_, err = c.CreateTopic(stream, "orders", 3, iggcon.CompressionAlgorithmNone, 0, 0, nil)
	note("create topic again", err)
	_, err = c.CreateTopic(stream, "small", 3, iggcon.CompressionAlgorithmNone, 0, 1000, nil)
	note("create small topic", err)
	_, err = c.GetTopic(stream, id("missing"))
	note("get missing topic", err)

	key, err := iggcon.NewHeaderKeyString("content-type")
	require.NoError(s.t, err)
	headers, err := iggcon.NewIggyMessage([]byte("with headers"), iggcon.WithUserHeaders([]iggcon.HeaderEntry{
		{Key: key, Value: iggcon.HeaderValue{Kind: iggcon.String, Value: []byte("application/x-protobuf")}},
	}))
	require.NoError(s.t, err)
	send := func(label string, p iggcon.Partitioning, messages ...iggcon.IggyMessage) {
		note("send "+label, c.SendMessages(stream, topic, p, messages))
	}
	send("to a partition", iggcon.PartitionId(1), sdkMessage(s.t, "one"), headers, sdkMessage(s.t, "three"))
	byKey, err := iggcon.EntityIdString("job-1")
	require.NoError(s.t, err)
	send("by key", byKey, sdkMessage(s.t, "keyed"))
	for range 4 {
		send("balanced", iggcon.None(), sdkMessage(s.t, "balanced"))
	}
	send("to a missing partition", iggcon.PartitionId(9), sdkMessage(s.t, "lost"))
	note("send to missing topic", c.SendMessages(stream, id("missing"), iggcon.None(), []iggcon.IggyMessage{sdkMessage(s.t, "lost")}))
	tp, err = c.GetTopic(stream, topic)
	note("topic", err, tp.MessagesCount, tp.Size > 0)
	for _, p := range tp.Partitions {
		note("partition", nil, p.Id, p.CurrentOffset, p.MessagesCount, p.SegmentsCount)
	}

	one := uint32(1)
	consumer := iggcon.NewSingleConsumer(id("reader"))
	poll := func(label string, who iggcon.Consumer, strategy iggcon.PollingStrategy, count uint32, commit bool, p *uint32) {
		polled, err := c.PollMessages(stream, topic, who, strategy, count, commit, p)
		if err != nil {
			note("poll "+label, err)
			return
		}
		var seen []string
		for _, m := range polled.Messages {
			seen = append(seen, string(m.Payload))
			require.NotZero(s.t, m.Header.Checksum)
		}
		note("poll "+label, nil, polled.PartitionId, polled.CurrentOffset, seen)
	}
	poll("first", consumer, iggcon.FirstPollingStrategy(), 2, false, &one)
	poll("last", consumer, iggcon.LastPollingStrategy(), 2, false, &one)
	poll("offset", consumer, iggcon.OffsetPollingStrategy(1), 1, false, &one)
	poll("time", consumer, iggcon.TimestampPollingStrategy(0), 2, false, &one)
	poll("next", consumer, iggcon.NextPollingStrategy(), 2, true, &one)
	poll("next again", consumer, iggcon.NextPollingStrategy(), 2, false, &one)
	poll("past the end", consumer, iggcon.OffsetPollingStrategy(1000), 2, false, &one)
	offset := func(label string, who iggcon.Consumer, p *uint32) {
		info, err := c.GetConsumerOffset(who, stream, topic, p)
		if info == nil {
			note("offset "+label, err, "none")
			return
		}
		note("offset "+label, err, info.PartitionId, info.CurrentOffset, info.StoredOffset)
	}
	offset("stored", consumer, &one)
	note("store", c.StoreConsumerOffset(consumer, stream, topic, 0, &one))
	offset("went back", consumer, &one)
	note("store past the end", c.StoreConsumerOffset(consumer, stream, topic, 1000, &one))
	note("delete offset", c.DeleteConsumerOffset(consumer, stream, topic, &one))
	note("delete offset again", c.DeleteConsumerOffset(consumer, stream, topic, &one))
	offset("deleted", consumer, &one)

	members := iggcon.NewGroupConsumer(group)
	g, err := c.CreateConsumerGroup(stream, topic, "workers")
	note("create group", err, g.Id, g.Name, g.PartitionsCount, g.MembersCount)
	_, err = c.CreateConsumerGroup(stream, topic, "workers")
	note("create group again", err)
	poll("without membership", members, iggcon.NextPollingStrategy(), 2, false, nil)
	note("join", c.JoinConsumerGroup(stream, topic, group))
	for range 4 {
		poll("next partition", members, iggcon.NextPollingStrategy(), 10, false, nil)
	}
	note("commit", c.StoreConsumerOffset(members, stream, topic, 2, &one))
	offset("of the group", members, &one)
	other := s.sdk()
	note("join", other.JoinConsumerGroup(stream, topic, group))
	g, err = c.GetConsumerGroup(stream, topic, group)
	note("group", err, g.MembersCount, g.Members)
	note("commit without ownership", other.StoreConsumerOffset(members, stream, topic, 0, &one))
	note("leave", other.LeaveConsumerGroup(stream, topic, group))
	note("leave again", other.LeaveConsumerGroup(stream, topic, group))
	groups, err := c.GetConsumerGroups(stream, topic)
	note("groups", err, len(groups))
	note("add partitions", c.CreatePartitions(stream, topic, 2))
	note("remove partitions", c.DeletePartitions(stream, topic, 1))
	note("remove too many partitions", c.DeletePartitions(stream, topic, 100))
	g, err = c.GetConsumerGroup(stream, topic, group)
	note("group", err, g.PartitionsCount, g.Members)
	note("delete group", c.DeleteConsumerGroup(stream, topic, group))
	note("delete group again", c.DeleteConsumerGroup(stream, topic, group))
	_, err = c.GetConsumerGroup(stream, topic, group)
	note("get deleted group", err)

	scriptSDKUsers(s, c, note)

	note("update topic", c.UpdateTopic(stream, topic, "orders2", iggcon.CompressionAlgorithmGzip, iggcon.Hour, 0, nil))
	topics, err := c.GetTopics(stream)
	note("topics", err, len(topics), topics[0].Name, topics[0].MessageExpiry, topics[0].MaxTopicSize, topics[0].CompressionAlgorithm)
	note("rename stream", c.UpdateStream(stream, s.name("renamed")))
	note("delete topic", c.DeleteTopic(id(s.name("renamed")), id("orders2")))
	streams, err := c.GetStreams()
	note("streams", err, len(streams) > 0)
	note("delete stream", c.DeleteStream(id(s.name("renamed"))))
	note("delete stream again", c.DeleteStream(id(s.name("renamed"))))
	note("log out", c.LogoutUser())
	_, err = c.GetStreams()
	note("streams, logged out", err)
}

func scriptSDKUsers(s *script, c iggcon.Client, note func(string, error, ...any)) {
	s.users = append(s.users, s.name("ann"))
	perms := &iggcon.Permissions{
		Global: iggcon.GlobalPermissions{ReadStreams: true, PollMessages: true},
		Streams: map[int]*iggcon.StreamPermissions{7: {
			ReadTopics: true, Topics: map[int]*iggcon.TopicPermissions{3: {SendMessages: true}},
		}},
	}
	u, err := c.CreateUser(s.name("ann"), "secret", iggcon.Active, perms)
	note("create user", err)
	if err == nil {
		note("user", nil, u.Status, u.Permissions.Global, *u.Permissions.Streams[7].Topics[3])
	}
	ann := sdkID(s.t, s.name("ann"))
	_, err = c.CreateUser(s.name("ann"), "secret", iggcon.Active, nil)
	note("create user again", err)
	inactive := iggcon.Inactive
	note("update user", c.UpdateUser(ann, nil, &inactive))
	u, err = c.GetUser(ann)
	note("get user", err, u.Status)
	note("permissions", c.UpdatePermissions(ann, nil))
	note("password", c.ChangePassword(ann, "secret", "other"))
	note("wrong password", c.ChangePassword(ann, "secret", "other"))
	_, err = c.GetUser(sdkID(s.t, s.name("missing")))
	note("get missing user", err)
	all, err := c.GetUsers()
	note("users", err, len(all) > 1)
	second, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(s.target.address))
	require.NoError(s.t, err)
	defer func() { _ = second.Close() }()
	_, err = second.LoginUser(s.name("ann"), "other")
	note("inactive user", err)
	_, err = second.LoginUser(s.name("ann"), "wrong")
	note("wrong password", err)
	active := iggcon.Active
	note("update user", c.UpdateUser(ann, nil, &active))
	_, err = second.LoginUser(s.name("ann"), "other")
	note("login", err)
	_, err = second.GetStreams()
	note("streams without permission", err)
	token, err := second.CreatePersonalAccessToken("token", 0)
	note("token", err, len(token.Token))
	_, err = c.LoginWithPersonalAccessToken("nonsense")
	note("wrong token", err)
	_, err = second.LoginWithPersonalAccessToken(token.Token)
	note("login with token", err)
	tokens, err := second.GetPersonalAccessTokens()
	note("tokens", err, len(tokens), tokens[0].Name)
	note("delete token", second.DeletePersonalAccessToken("token"))
	_, err = second.GetPersonalAccessTokens()
	note("no tokens", err)
	note("delete user", c.DeleteUser(ann))
	note("delete user again", c.DeleteUser(ann))
	stats, err := c.GetStats()
	note("stats", err)
	if err == nil {
		note("version", nil, stats.IggyServerVersion, stats.IggyServerSemver, stats.StreamsCount > 0, stats.ClientsCount > 1, stats.ProcessId > 0)
	}
	clients, err := c.GetClients()
	note("clients", err, len(clients) > 1)
	if err == nil {
		one, err := c.GetClient(clients[0].ID)
		note("client", err, one.Transport, one.Address == clients[0].Address)
	}
	_, err = c.GetClient(0)
	note("client 0", err)
}
