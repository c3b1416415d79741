package embedded

import (
	"encoding/binary"
	"slices"
)

// permissions say what a user may do, everywhere or in single streams and topics. The names and the order are those of
// the protocol.
type permissions struct {
	global  globalPermissions
	streams map[uint32]streamPermissions
}

type globalPermissions struct {
	manageServers, readServers, manageUsers, readUsers, manageStreams, readStreams, manageTopics, readTopics bool
	pollMessages, sendMessages                                                                               bool
}

type streamPermissions struct {
	manageStream, readStream, manageTopics, readTopics, pollMessages, sendMessages bool
	topics                                                                         map[uint32]topicPermissions
}

type topicPermissions struct {
	manageTopic, readTopic, pollMessages, sendMessages bool
}

func rootPermissions() *permissions {
	return &permissions{global: globalPermissions{true, true, true, true, true, true, true, true, true, true}}
}

func (d *decoder) flag() bool { return d.u8() != 0 }

// permissions reads ten flags and `[u8 more]`, then streams: `[u32 stream]`, six flags, `[u8 more]` and topics:
// `[u32 topic]`, four flags, `[u8 more]`; after the last topic of a stream, `[u8 more]` for the next stream. A flag is a
// byte that is not 0.
func (d *decoder) permissions() *permissions {
	p := &permissions{global: globalPermissions{
		d.flag(), d.flag(), d.flag(), d.flag(), d.flag(), d.flag(), d.flag(), d.flag(), d.flag(), d.flag(),
	}}
	for more := d.flag(); more && d.status == StatusOK; more = d.flag() {
		id := d.u32()
		sp := streamPermissions{
			manageStream: d.flag(), readStream: d.flag(), manageTopics: d.flag(), readTopics: d.flag(),
			pollMessages: d.flag(), sendMessages: d.flag(),
		}
		for more := d.flag(); more && d.status == StatusOK; more = d.flag() {
			topicID := d.u32()
			tp := topicPermissions{d.flag(), d.flag(), d.flag(), d.flag()}
			if sp.topics == nil {
				sp.topics = map[uint32]topicPermissions{}
			}
			sp.topics[topicID] = tp
		}
		if p.streams == nil {
			p.streams = map[uint32]streamPermissions{}
		}
		p.streams[id] = sp
	}
	return p
}

// optionalPermissions reads `[u8 present]` and, when it is 1, `[u32 length][permissions]`. The length must be right.
func (d *decoder) optionalPermissions() *permissions {
	if d.u8() != 1 {
		return nil
	}
	length := int(d.u32())
	start := d.pos
	p := d.permissions()
	if d.status == StatusOK && d.pos-start != length {
		d.fail(StatusInvalidFormat)
	}
	return p
}

func appendFlags(b []byte, flags ...bool) []byte {
	for _, f := range flags {
		b = appendBool(b, f)
	}
	return b
}

// appendPermissions writes what permissions reads, streams and topics in ascending order.
func appendPermissions(b []byte, p *permissions) []byte {
	g := p.global
	b = appendFlags(b, g.manageServers, g.readServers, g.manageUsers, g.readUsers, g.manageStreams, g.readStreams,
		g.manageTopics, g.readTopics, g.pollMessages, g.sendMessages)
	for _, id := range sortedKeys(p.streams) {
		sp := p.streams[id]
		b = append(b, 1)
		b = binary.LittleEndian.AppendUint32(b, id)
		b = appendFlags(b, sp.manageStream, sp.readStream, sp.manageTopics, sp.readTopics, sp.pollMessages, sp.sendMessages)
		for _, topicID := range sortedKeys(sp.topics) {
			tp := sp.topics[topicID]
			b = append(b, 1)
			b = binary.LittleEndian.AppendUint32(b, topicID)
			b = appendFlags(b, tp.manageTopic, tp.readTopic, tp.pollMessages, tp.sendMessages)
		}
		b = append(b, 0)
	}
	return append(b, 0)
}

func sortedKeys[V any](m map[uint32]V) []uint32 {
	keys := make([]uint32, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// may asks whether the connection's user has a right. A user without permissions has none, nor has a deleted one.
func (c *conn) allowed(right func(*permissions) bool) bool {
	p := c.server.users.permissions(c.user.Load())
	return p != nil && right(p)
}

// topic finds a topic and asks whether the connection's user has a right to it. It needs the catalog's lock.
func (c *conn) topic(streamID, topicID identifier, right func(stream, topic uint32) func(*permissions) bool) (*topic, Status) {
	t, st := c.server.catalog.findTopic(streamID, topicID)
	if st != StatusOK {
		return nil, st
	}
	if !c.allowed(right(t.stream.id, t.id)) {
		return nil, StatusUnauthorized
	}
	return t, StatusOK
}

// stream is topic for a stream.
func (c *conn) stream(id identifier, right func(stream uint32) func(*permissions) bool) (*stream, Status) {
	s := c.server.catalog.findStream(id)
	if s == nil {
		return nil, StatusStreamNotFound
	}
	if !c.allowed(right(s.id)) {
		return nil, StatusUnauthorized
	}
	return s, StatusOK
}

// group is topic for a group, to which whoever may read its topic has every right.
func (c *conn) group(streamID, topicID, groupID identifier) (*topic, *group, Status) {
	t, g, st := c.server.catalog.findGroup(streamID, topicID, groupID)
	if st != StatusOK {
		return nil, nil, st
	}
	if !c.allowed(canReadTopic(t.stream.id, t.id)) {
		return nil, nil, StatusUnauthorized
	}
	return t, g, StatusOK
}

// orNothing is st for a command that reads: what does not exist is an answer without a body, not an error.
func orNothing(st Status) Status {
	if st == StatusUnauthorized {
		return st
	}
	return StatusOK
}

// The rights below follow the real server: a right over streams includes those over their topics, a right over topics
// includes reading, and reading includes polling.

func canManageStreams(p *permissions) bool { return p.global.manageStreams }

func canReadStreams(p *permissions) bool { return p.global.manageStreams || p.global.readStreams }

func canReadStream(stream uint32) func(*permissions) bool {
	return func(p *permissions) bool {
		s := p.streams[stream]
		return canReadStreams(p) || s.manageStream || s.readStream
	}
}

func canManageStream(stream uint32) func(*permissions) bool {
	return func(p *permissions) bool { return p.global.manageStreams || p.streams[stream].manageStream }
}

func canReadTopics(stream uint32) func(*permissions) bool {
	return func(p *permissions) bool {
		g, s := p.global, p.streams[stream]
		return g.manageStreams || g.readStreams || g.manageTopics || g.readTopics ||
			s.manageStream || s.readStream || s.manageTopics || s.readTopics
	}
}

func canReadTopic(stream, topic uint32) func(*permissions) bool {
	return func(p *permissions) bool {
		t := p.streams[stream].topics[topic]
		return canReadTopics(stream)(p) || t.manageTopic || t.readTopic
	}
}

func canManageTopics(stream uint32) func(*permissions) bool {
	return func(p *permissions) bool {
		s := p.streams[stream]
		return p.global.manageStreams || p.global.manageTopics || s.manageStream || s.manageTopics
	}
}

func canManageTopic(stream, topic uint32) func(*permissions) bool {
	return func(p *permissions) bool {
		return canManageTopics(stream)(p) || p.streams[stream].topics[topic].manageTopic
	}
}

func canPoll(stream, topic uint32) func(*permissions) bool {
	return func(p *permissions) bool {
		return p.global.pollMessages || canReadTopic(stream, topic)(p) || p.streams[stream].pollMessages ||
			p.streams[stream].topics[topic].pollMessages
	}
}

func canSend(stream, topic uint32) func(*permissions) bool {
	return func(p *permissions) bool {
		return p.global.sendMessages || canManageTopic(stream, topic)(p) || p.streams[stream].sendMessages ||
			p.streams[stream].topics[topic].sendMessages
	}
}

func canManageUsers(p *permissions) bool { return p.global.manageUsers }

func canReadUsers(p *permissions) bool { return p.global.manageUsers || p.global.readUsers }

func canReadServer(p *permissions) bool { return p.global.manageServers || p.global.readServers }
