package native

import (
	"encoding/binary"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Codes of commands. All codes and layouts of this file are from recorded exchanges with the server
// 0.8.0.
const (
	codePing         uint32 = 1
	codeCluster      uint32 = 12
	codePoll         uint32 = 100
	codeSend         uint32 = 101
	codeOffset       uint32 = 120
	codeStoreOffset  uint32 = 121
	codeDeleteOffset uint32 = 122
	codeTopic        uint32 = 300
	codeGroup        uint32 = 600
	codeJoin         uint32 = 604
	codeLeave        uint32 = 605
)

const (
	kindName           = 2 // of an identifier: its bytes are a name
	kindConsumer       = 1
	kindConsumerGroup  = 2
	kindPartition      = 2 // of a partitioning: its bytes are a partition's id
	partitioningLength = 4
)

// appendName appends an identifier: kind u8, length u8, bytes. The length of the name was checked
// before.
func appendName(dst []byte, name string) []byte {
	dst = append(dst, kindName, byte(len(name)))
	return append(dst, name...)
}

// appendGroup appends the identifiers of stream, topic and group.
func appendGroup(dst []byte, g transport.Group) []byte {
	dst = appendName(dst, g.Stream)
	dst = appendName(dst, g.Topic)
	return appendName(dst, g.Name)
}

// appendConsumer appends the beginning of every command of a consumer: kind u8, the identifiers of
// consumer, stream and topic, whether a partition follows u8, its id u32.
func appendConsumer(dst []byte, c transport.Consumer, partition int64) []byte {
	kind := byte(kindConsumer)
	if c.Group {
		kind = kindConsumerGroup
	}
	dst = append(dst, kind)
	dst = appendName(dst, c.Name)
	dst = appendName(dst, c.Stream)
	dst = appendName(dst, c.Topic)
	if partition == transport.AnyPartition {
		return append(dst, 0, 0, 0, 0, 0)
	}
	dst = append(dst, 1)
	return binary.LittleEndian.AppendUint32(dst, uint32(partition))
}

// appendPoll appends consumer, strategy u8, its value u64, count u32, and 0, which tells the server
// not to store the offset.
func appendPoll(dst []byte, p transport.Poll) []byte {
	dst = appendConsumer(dst, p.Consumer, p.Partition)
	dst = append(dst, byte(p.Strategy.Kind))
	dst = binary.LittleEndian.AppendUint64(dst, p.Strategy.Value)
	dst = binary.LittleEndian.AppendUint32(dst, p.Count)
	return append(dst, 0)
}

// appendSend appends everything but the messages: the length of the metadata u32, the metadata
// (identifiers of stream and topic, partitioning, count u32) and the index of the messages.
func appendSend(dst []byte, stream, topic string, partition uint32, b *wire.Batch) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = appendName(dst, stream)
	dst = appendName(dst, topic)
	dst = append(dst, kindPartition, partitioningLength)
	dst = binary.LittleEndian.AppendUint32(dst, partition)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(b.Len()))
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return b.AppendIndex(dst)
}

// appendStoreOffset appends consumer and offset u64.
func appendStoreOffset(dst []byte, c transport.Consumer, partition uint32, offset uint64) []byte {
	dst = appendConsumer(dst, c, int64(partition))
	return binary.LittleEndian.AppendUint64(dst, offset)
}
