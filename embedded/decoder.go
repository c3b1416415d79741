package embedded

import (
	"encoding/binary"
	"unicode/utf8"
)

// decoder reads the fields of a request body, little endian. The first fault is kept in status,
// and every later read returns zeros, so that a command reads all fields and checks once. Bytes
// left over at the end are allowed, as on the real server.
type decoder struct {
	buf    []byte
	pos    int
	status Status
	// invalid is the answer to a well-formed request with a value that is out of range. It counts
	// only when the client is logged in.
	invalid Status
}

// fail notes that the body is malformed.
func (d *decoder) fail(s Status) {
	if d.status == StatusOK {
		d.status = s
	}
}

// reject notes that a value is out of range.
func (d *decoder) reject(s Status) {
	if d.invalid == StatusOK {
		d.invalid = s
	}
}

// bytes returns the next n bytes, which alias the body.
func (d *decoder) bytes(n int) []byte {
	if d.status != StatusOK || n > len(d.buf)-d.pos {
		d.fail(StatusInvalidCommand)
		return nil
	}
	b := d.buf[d.pos : d.pos+n]
	d.pos += n
	return b
}

func (d *decoder) u8() uint8 {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// flag reads a byte that means true unless it is 0.
func (d *decoder) flag() bool { return d.u8() != 0 }

// text reads n bytes that must be UTF-8.
func (d *decoder) text(n int) string {
	b := d.bytes(n)
	if !utf8.Valid(b) {
		d.fail(StatusInvalidCommand)
		return ""
	}
	return string(b)
}

// name reads `[u8 length][length bytes]` with 1 to 255 bytes.
func (d *decoder) name() string {
	n := int(d.u8())
	if d.status == StatusOK && n == 0 {
		d.fail(StatusInvalidFormat)
	}
	return d.text(n)
}

// identifier names a stream, a topic, a group, a user or a consumer, by number or by name.
type identifier struct {
	named bool
	id    uint32
	name  string
}

// nameIdentifier returns the identifier of an object by its name.
func nameIdentifier(name string) identifier { return identifier{named: true, name: name} }

// identifier reads `[u8 kind][u8 length][length bytes]`: kind 1 is a number of 4 bytes, kind 2 a
// name of 1 to 255 bytes.
func (d *decoder) identifier() identifier {
	kind := d.u8()
	length := int(d.u8())
	value := d.bytes(length)
	if d.status != StatusOK {
		return identifier{}
	}
	switch kind {
	case 1:
		if length != 4 {
			d.fail(StatusInvalidFormat)
			return identifier{}
		}
		return identifier{id: binary.LittleEndian.Uint32(value)}
	case 2:
		if length == 0 {
			d.fail(StatusInvalidFormat)
			return identifier{}
		}
		if !utf8.Valid(value) {
			d.fail(StatusInvalidCommand)
			return identifier{}
		}
		return nameIdentifier(string(value))
	default:
		d.fail(StatusInvalidCommand)
		return identifier{}
	}
}

// topicID names a topic and its stream.
type topicID struct{ stream, topic identifier }

// topicID reads `[identifier stream][identifier topic]`.
func (d *decoder) topicID() topicID {
	stream := d.identifier()
	return topicID{stream: stream, topic: d.identifier()}
}

// consumer names who polls or stores an offset: a single consumer or a consumer group.
type consumer struct {
	group bool
	id    identifier
}

// key returns the number under which the offsets of a single consumer are kept: its numeric id, or
// the hash of its name.
func (c consumer) key() uint32 {
	if c.id.named {
		return xxh32([]byte(c.id.name))
	}
	return c.id.id
}

// consumer reads `[u8 kind][identifier]`: kind 1 is a consumer, kind 2 a group.
func (d *decoder) consumer() consumer {
	kind := d.u8()
	if d.status == StatusOK && kind != 1 && kind != 2 {
		d.fail(StatusInvalidCommand)
	}
	return consumer{group: kind == 2, id: d.identifier()}
}

// optionalPartition is the number of a partition, or none.
type optionalPartition struct {
	id      uint32 // 0 for none
	present bool
}

// optionalPartition reads `[u8 present][u32 partition]`. The number is always there; it counts when
// present is 1.
func (d *decoder) optionalPartition() optionalPartition {
	present := d.u8()
	id := d.u32()
	if present != 1 {
		return optionalPartition{}
	}
	return optionalPartition{id: id, present: true}
}

// consumerPartition is a consumer and the partition that it asks for.
type consumerPartition struct {
	consumer  consumer
	partition optionalPartition
}
