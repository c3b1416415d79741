package native

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Sizes of the fixed parts of answers, in bytes. Source: recorded exchanges
// with the server 0.8.0, as for all layouts of this file.
const (
	polledHeadSize    = 16
	offsetSize        = 20
	topicHeadSize     = 51
	topicPartition    = 40
	groupHeadSize     = 13
	groupMember       = 8
	maxMetadataAnswer = 1 << 20
)

// Shapes of the answers.
var (
	nothing       = shape{}
	loginShape    = shape{min: 4, max: 4}
	offsetShape   = shape{max: offsetSize}
	metadataShape = shape{max: maxMetadataAnswer}
)

// decodePolled reads partition u32, current offset u64, count u32 and the
// messages. An empty body is an answer without messages, too. The count leaves
// out the remains that transport.Supersede is about.
func decodePolled(a answer) (*transport.Polled, error) {
	b := a.body
	if len(b) == 0 {
		return &transport.Polled{}, nil
	}
	if len(b) < polledHeadSize {
		return nil, transport.Malformed("poll: %d bytes", len(b))
	}
	p := &transport.Polled{
		Partition:     binary.LittleEndian.Uint32(b),
		CurrentOffset: binary.LittleEndian.Uint64(b[4:]),
	}
	count := binary.LittleEndian.Uint32(b[12:])
	b = b[polledHeadSize:]
	// The count is believed as far as the bytes have room for it.
	if room := min(uint64(count), uint64(len(b)/wire.MessageHeaderSize)); room > 0 {
		p.Messages = make([]wire.Message, 0, room)
	}
	p.Messages, b = appendMessages(p.Messages, b, cap(p.Messages))
	if !a.dropped && len(b) > 0 && uint64(len(p.Messages)) == uint64(count) {
		p.Messages, b = appendMessages(p.Messages, b, math.MaxInt)
		p.Messages = transport.Supersede(p.Messages, func(m *wire.Message) uint64 { return m.Offset })
	}
	p.Truncated = a.dropped
	if a.pooled != nil && len(p.Messages) > 0 {
		p.Recycle = a.pooled.give
	}
	decoded := uint64(len(p.Messages))
	complete := decoded == uint64(count) && len(b) == 0
	if a.dropped {
		complete = decoded < uint64(count)
	}
	if !complete {
		return nil, transport.Malformed("poll: %d messages of %d, %d bytes left", decoded, count, len(b))
	}
	return p, nil
}

// appendMessages decodes messages from b until there are most of them, or one can't
// be decoded, and gives what is left of b.
func appendMessages(messages []wire.Message, b []byte, most int) (all []wire.Message, rest []byte) {
	for len(b) > 0 && len(messages) < most {
		var m wire.Message
		n, err := m.Decode(b)
		if err != nil {
			break
		}
		messages = append(messages, m)
		b = b[n:]
	}
	return messages, b
}

// decodeOffset reads partition u32, current offset u64, stored offset u64. An
// empty body means that none is stored, or that group or partition don't exist.
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

// decodeTopic reads the topic (id u32, created u64, partitions u32, expiry u64,
// compression u8, limit u64, replication u8, size u64, messages u64, name with
// length u8) and its partitions (id u32, created u64, segments u32, current
// offset u64, size u64, messages u64).
func decodeTopic(b []byte) (transport.Topic, error) {
	if len(b) < topicHeadSize {
		return transport.Topic{}, transport.Malformed("topic: %d bytes", len(b))
	}
	count := binary.LittleEndian.Uint32(b[12:])
	name := int(b[topicHeadSize-1])
	if rest := len(b) - topicHeadSize - name; rest < 0 || rest%topicPartition != 0 || uint64(rest/topicPartition) != uint64(count) {
		return transport.Topic{}, transport.Malformed("topic: %d bytes for %d partitions", len(b), count)
	}
	b = b[topicHeadSize+name:]
	partitions := make([]transport.Partition, count)
	for i := range partitions {
		partitions[i] = transport.Partition{
			ID:            binary.LittleEndian.Uint32(b),
			CurrentOffset: binary.LittleEndian.Uint64(b[16:]),
			Messages:      binary.LittleEndian.Uint64(b[32:]),
		}
		b = b[topicPartition:]
	}
	slices.SortFunc(partitions, func(a, b transport.Partition) int { return cmp.Compare(a.ID, b.ID) })
	return transport.Topic{Partitions: partitions}, nil
}

// decodeGroup reads the group (id u32, partitions u32, members u32, name with
// length u8) and its members (id u32, count of partitions u32, their ids u32).
func decodeGroup(b []byte) (transport.Members, error) {
	if len(b) < groupHeadSize || len(b) < groupHeadSize+int(b[groupHeadSize-1]) {
		return transport.Members{}, transport.Malformed("group: %d bytes", len(b))
	}
	count := binary.LittleEndian.Uint32(b[8:])
	b = b[groupHeadSize+int(b[groupHeadSize-1]):]
	if uint64(count) > uint64(len(b)/groupMember) {
		return transport.Members{}, transport.Malformed("group: %d members in %d bytes", count, len(b))
	}
	members := transport.Members{Partitions: make([][]uint32, count)}
	for i := range members.Partitions {
		if len(b) < groupMember {
			return transport.Members{}, transport.Malformed("group: a member in %d bytes", len(b))
		}
		owned := binary.LittleEndian.Uint32(b[4:])
		b = b[groupMember:]
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
