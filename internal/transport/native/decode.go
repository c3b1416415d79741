package native

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Sizes of the fixed parts of answers, in bytes. All layouts of this file are from recorded
// exchanges with the server 0.8.0.
const (
	polledHeaderSize   = 16
	offsetSize         = 20
	topicHeaderSize    = 51
	topicPartitionSize = 40
	groupHeaderSize    = 13
	groupMemberSize    = 8
	maxMetadataAnswer  = 1 << 20
)

// decodePolled decodes partition u32, current offset u64, count u32 and the messages. An empty body
// is an answer without messages. The count does not include the messages that
// transport.DropSuperseded removes.
func decodePolled(a answer) (*transport.Polled, error) {
	b := a.body
	if len(b) == 0 {
		return &transport.Polled{}, nil
	}
	if len(b) < polledHeaderSize {
		return nil, transport.Malformed("poll: %d bytes", len(b))
	}
	p := &transport.Polled{
		Partition:     binary.LittleEndian.Uint32(b),
		CurrentOffset: binary.LittleEndian.Uint64(b[4:]),
	}
	count := binary.LittleEndian.Uint32(b[12:])
	b = b[polledHeaderSize:]
	// The bytes bound the count.
	if room := min(uint64(count), uint64(len(b)/wire.MessageHeaderSize)); room > 0 {
		p.Messages = make([]wire.Message, 0, room)
	}
	p.Messages, b = appendMessages(p.Messages, b, cap(p.Messages))
	if !a.truncated && len(b) > 0 && uint64(len(p.Messages)) == uint64(count) {
		p.Messages, b = appendMessages(p.Messages, b, math.MaxInt)
		p.Messages = transport.DropSuperseded(p.Messages, func(m *wire.Message) uint64 { return m.Offset })
	}
	p.Truncated = a.truncated
	if a.pooled != nil && len(p.Messages) > 0 {
		p.Recycle = a.pooled.release
	}
	decoded := uint64(len(p.Messages))
	complete := decoded == uint64(count) && len(b) == 0
	if a.truncated {
		complete = decoded > 0 && decoded < uint64(count)
	}
	if !complete {
		return nil, transport.Malformed("poll: %d messages of %d, %d bytes left", decoded, count, len(b))
	}
	return p, nil
}

// appendMessages decodes messages from b until there are limit of them or one can't be decoded. It
// returns the rest of b.
func appendMessages(messages []wire.Message, b []byte, limit int) (all []wire.Message, rest []byte) {
	for len(b) > 0 && len(messages) < limit {
		if len(messages) == cap(messages) {
			messages = slices.Grow(messages, 1)
		}
		next := messages[:len(messages)+1]
		n, err := next[len(messages)].Decode(b) // in place
		if err != nil {
			break
		}
		messages, b = next, b[n:]
	}
	return messages, b
}

// decodeOffset decodes partition u32, current offset u64, stored offset u64. An empty body means
// that no offset is stored, or that the group or the partition does not exist.
func decodeOffset(b []byte) (transport.Offset, error) {
	switch len(b) {
	case 0:
		return transport.Offset{}, nil
	case offsetSize:
		return transport.Offset{
			Stored:        true,
			CurrentOffset: binary.LittleEndian.Uint64(b[4:]),
			Offset:        binary.LittleEndian.Uint64(b[12:]),
		}, nil
	}
	return transport.Offset{}, transport.Malformed("offset: %d bytes", len(b))
}

// decodeTopic decodes the topic (id u32, created u64, partitions u32, expiry u64, compression u8,
// limit u64, replication u8, size u64, messages u64, name with length u8) and its partitions (id
// u32, created u64, segments u32, current offset u64, size u64, messages u64).
func decodeTopic(b []byte) (transport.Topic, error) {
	if len(b) < topicHeaderSize {
		return transport.Topic{}, transport.Malformed("topic: %d bytes", len(b))
	}
	count := binary.LittleEndian.Uint32(b[12:])
	name := int(b[topicHeaderSize-1])
	if rest := len(b) - topicHeaderSize - name; rest < 0 || rest%topicPartitionSize != 0 || uint64(rest/topicPartitionSize) != uint64(count) {
		return transport.Topic{}, transport.Malformed("topic: %d bytes for %d partitions", len(b), count)
	}
	b = b[topicHeaderSize+name:]
	partitions := make([]transport.Partition, count)
	for i := range partitions {
		partitions[i] = transport.Partition{
			ID:            binary.LittleEndian.Uint32(b),
			CurrentOffset: binary.LittleEndian.Uint64(b[16:]),
			Messages:      binary.LittleEndian.Uint64(b[32:]),
		}
		b = b[topicPartitionSize:]
	}
	slices.SortFunc(partitions, func(a, b transport.Partition) int { return cmp.Compare(a.ID, b.ID) })
	return transport.Topic{Partitions: partitions}, nil
}

// decodeGroup decodes the group (id u32, partitions u32, members u32, name with length u8) and its
// members (id u32, count of partitions u32, their ids u32).
func decodeGroup(b []byte) (transport.Members, error) {
	if len(b) < groupHeaderSize || len(b) < groupHeaderSize+int(b[groupHeaderSize-1]) {
		return transport.Members{}, transport.Malformed("group: %d bytes", len(b))
	}
	count := binary.LittleEndian.Uint32(b[8:])
	b = b[groupHeaderSize+int(b[groupHeaderSize-1]):]
	if uint64(count) > uint64(len(b)/groupMemberSize) {
		return transport.Members{}, transport.Malformed("group: %d members in %d bytes", count, len(b))
	}
	members := transport.Members{Partitions: make([][]uint32, count)}
	for i := range members.Partitions {
		if len(b) < groupMemberSize {
			return transport.Members{}, transport.Malformed("group: a member in %d bytes", len(b))
		}
		owned := binary.LittleEndian.Uint32(b[4:])
		b = b[groupMemberSize:]
		if uint64(owned) > uint64(len(b)/4) {
			return transport.Members{}, transport.Malformed("group: %d partitions in %d bytes", owned, len(b))
		}
		ids := make([]uint32, owned)
		for j := range ids {
			ids[j] = binary.LittleEndian.Uint32(b)
			b = b[4:]
		}
		members.Partitions[i] = ids
	}
	if len(b) > 0 {
		return transport.Members{}, transport.Malformed("group: %d bytes left", len(b))
	}
	return members, nil
}
