package embedded_test

import (
	"encoding/binary"
	"slices"
)

func loginBody(user, password string) []byte {
	b := append(name(user), name(password)...)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0)
}

func name(s string) []byte { return append([]byte{byte(len(s))}, s...) }

// offsetOf returns the offset in a message.
func offsetOf(m []byte) uint64 { return binary.LittleEndian.Uint64(m[24:]) }

func splitMessages(b []byte) [][]byte {
	var list [][]byte
	for len(b) >= 64 {
		size := 64 + int(binary.LittleEndian.Uint32(b[48:])) + int(binary.LittleEndian.Uint32(b[52:]))
		list = append(list, b[:size])
		b = b[size:]
	}
	return list
}

func ident(n string) []byte { return append([]byte{2}, name(n)...) }

func number(n uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{1, 4}, n) }

func u32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

func u64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func topicBody(stream []byte, partitions uint32, compression byte, expiry, size uint64, replication byte, n string) []byte {
	return join(stream, u32(partitions), []byte{compression}, u64(expiry), u64(size), []byte{replication}, name(n))
}

// part encodes the partition of a request, none for a negative number.
func part(p int) []byte {
	if p < 0 {
		return []byte{0, 0, 0, 0, 0}
	}
	return append([]byte{1}, u32(uint32(p))...)
}

func single(n string) []byte { return append([]byte{1}, ident(n)...) }

func grouped(n string) []byte { return append([]byte{2}, ident(n)...) }

func pollBody(who, stream, topic []byte, partition int, kind byte, value uint64, count uint32, commit byte) []byte {
	return join(who, stream, topic, part(partition), []byte{kind}, u64(value), u32(count), []byte{commit})
}

var (
	balanced = []byte{1, 0}
	noKey    = []byte{3, 0}
)

func toPartition(p uint32) []byte { return append([]byte{2, 4}, u32(p)...) }

func byKey(key string) []byte { return append([]byte{3}, name(key)...) }

// message encodes a message as a client does. The id is a version 7 UUID made from n, so that it is
// not masked. 0 means no id.
func message(n uint64, payload, headers string) []byte {
	b := make([]byte, 64)
	if n != 0 {
		binary.LittleEndian.PutUint64(b[16:], n)
		b[14] = 0x70
	}
	binary.LittleEndian.PutUint64(b[40:], 1_700_000_000_000_000+n)
	binary.LittleEndian.PutUint32(b[48:], uint32(len(headers)))
	binary.LittleEndian.PutUint32(b[52:], uint32(len(payload)))
	return append(append(b, payload...), headers...)
}

func sendBody(stream, topic, partitioning []byte, messages ...[]byte) []byte {
	var indexes, data []byte
	for _, m := range messages {
		data = append(data, m...)
		indexes = append(indexes, join(u32(0), u32(uint32(len(data))), u64(0))...)
	}
	return sendParts(stream, topic, partitioning, uint32(len(messages)), indexes, data)
}

func sendParts(stream, topic, partitioning []byte, count uint32, indexes, data []byte) []byte {
	metadata := join(stream, topic, partitioning, u32(count))
	return join(u32(uint32(len(metadata))), metadata, indexes, data)
}
