package embedded

import (
	"encoding/binary"
	"slices"
)

// permissions say what a user may do on the whole server and in single streams and topics. The
// names and their order are those of the protocol.
type permissions struct {
	global  globalPermissions
	streams map[uint32]streamPermissions
}

type globalPermissions struct {
	manageServers, readServers, manageUsers, readUsers   bool
	manageStreams, readStreams, manageTopics, readTopics bool
	pollMessages, sendMessages                           bool
}

type streamPermissions struct {
	manageStream, readStream, manageTopics, readTopics bool
	pollMessages, sendMessages                         bool
	topics                                             map[uint32]topicPermissions
}

type topicPermissions struct {
	manageTopic, readTopic, pollMessages, sendMessages bool
}

func rootPermissions() *permissions {
	return &permissions{global: globalPermissions{true, true, true, true, true, true, true, true, true, true}}
}

// withoutStream returns a copy without the permissions for one stream.
func (p *permissions) withoutStream(stream uint32) *permissions {
	cp := &permissions{global: p.global, streams: map[uint32]streamPermissions{}}
	for id, sp := range p.streams {
		if id != stream {
			cp.streams[id] = sp
		}
	}
	return cp
}

// permissions reads ten flags and `[u8 more]`, then streams: `[u32 stream]`, six flags, `[u8 more]`
// and topics: `[u32 topic]`, four flags, `[u8 more]`. After the last topic of a stream, `[u8 more]`
// says whether another stream follows.
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

// optionalPermissions reads `[u8 present]` and, when it is 1, `[u32 length][permissions]`. It
// returns nil when there are none. A wrong length makes the body malformed.
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

// appendPermissions writes what [decoder.permissions] reads, streams and topics in ascending order.
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
