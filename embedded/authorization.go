package embedded

// The permissions that commands need. They follow the real server: a permission for streams
// includes the same for their topics, managing includes reading, and reading includes polling.
type (
	globalPermission func(*permissions) bool
	streamPermission func(p *permissions, stream uint32) bool
	topicPermission  func(p *permissions, stream, topic uint32) bool
)

// anyone and anyoneOnTopic stand for commands that every user may send.
var (
	anyone        globalPermission
	anyoneOnTopic topicPermission
)

// permissions returns what the connection's user may do, nil when that is nothing. A user without
// permissions may do nothing, nor may one that is deleted.
func (c *conn) permissions() *permissions {
	return c.server.users.permissions(c.user.Load())
}

func (c *conn) allowed(needed globalPermission) bool {
	if needed == nil {
		return true
	}
	p := c.permissions()
	return p != nil && needed(p)
}

func (c *conn) allowedOnStream(needed streamPermission, s *stream) bool {
	p := c.permissions()
	return p != nil && needed(p, s.id)
}

func (c *conn) allowedOnTopic(needed topicPermission, t *topic) bool {
	if needed == nil {
		return true
	}
	p := c.permissions()
	return p != nil && needed(p, t.stream.id, t.id)
}

func canReadServer(p *permissions) bool { return p.global.manageServers || p.global.readServers }

func canManageUsers(p *permissions) bool { return p.global.manageUsers }

func canReadUsers(p *permissions) bool { return p.global.manageUsers || p.global.readUsers }

func canManageStreams(p *permissions) bool { return p.global.manageStreams }

func canReadStreams(p *permissions) bool { return p.global.manageStreams || p.global.readStreams }

func canManageStream(p *permissions, stream uint32) bool {
	return canManageStreams(p) || p.streams[stream].manageStream
}

func canReadStream(p *permissions, stream uint32) bool {
	s := p.streams[stream]
	return canReadStreams(p) || s.manageStream || s.readStream
}

func canManageTopics(p *permissions, stream uint32) bool {
	s := p.streams[stream]
	return p.global.manageStreams || p.global.manageTopics || s.manageStream || s.manageTopics
}

func canReadTopics(p *permissions, stream uint32) bool {
	g, s := p.global, p.streams[stream]
	return g.manageStreams || g.readStreams || g.manageTopics || g.readTopics ||
		s.manageStream || s.readStream || s.manageTopics || s.readTopics
}

func canManageTopic(p *permissions, stream, topic uint32) bool {
	return canManageTopics(p, stream) || p.streams[stream].topics[topic].manageTopic
}

func canReadTopic(p *permissions, stream, topic uint32) bool {
	t := p.streams[stream].topics[topic]
	return canReadTopics(p, stream) || t.manageTopic || t.readTopic
}

func canPoll(p *permissions, stream, topic uint32) bool {
	s := p.streams[stream]
	return p.global.pollMessages || canReadTopic(p, stream, topic) || s.pollMessages ||
		s.topics[topic].pollMessages
}

func canSend(p *permissions, stream, topic uint32) bool {
	s := p.streams[stream]
	return p.global.sendMessages || canManageTopic(p, stream, topic) || s.sendMessages ||
		s.topics[topic].sendMessages
}
