package embedded

import (
	"encoding/binary"
	"errors"
)

// maxSendBody bounds the body of a send. The real server has no bound.
const maxSendBody = 1 << 30

// sendRequest is a decoded send.
type sendRequest struct {
	topic topicID
	kind  uint8
	value []byte
	data  []byte
	ends  []uint32
}

// partitionMask selects the bits of a partition's number that the real server looks at when it
// sends, polls or flushes: the lower 20 bits. The other commands look at all of them.
const partitionMask = 1<<20 - 1

// Kinds of partitioning.
const (
	partitioningBalanced = 1
	partitioningID       = 2
	partitioningKey      = 3
)

// readSend reads the body of a send:
//
//	[u32 length of the next four][identifier stream][identifier topic][partitioning][u32 count]
//	[count × 16 bytes index][count × message]
//
// A partitioning is `[u8 kind][u8 length][length bytes]`: 1 is balanced and has no bytes, 2 is the
// number of a partition, 4 bytes, 3 is a key. The layout of an index is described at validateBatch,
// that of a message in message.go.
//
// Like the real server it checks while it reads. When it answers a status early, the rest of the
// body stays unread and is taken for the next request. A client must close such a connection.
func (c *conn) readSend(length uint32) (*sendRequest, Status, error) {
	if c.user.Load() == noUser {
		return nil, StatusUnauthenticated, nil
	}
	if length > maxSendBody {
		c.answer(StatusInvalidCommand)
		return nil, StatusOK, errors.Join(c.flush(), errCloseConn)
	}
	total := int(length)
	body, err := readFull(c.reader, make([]byte, 0, min(total, allocationStep)), min(total, 4))
	if err != nil {
		return nil, StatusOK, err
	}
	if len(body) < 4 {
		return nil, StatusInvalidCommand, nil
	}
	if uint64(binary.LittleEndian.Uint32(body)) > uint64(total-4) {
		return nil, StatusInvalidCommand, nil
	}
	metadataSize := int(binary.LittleEndian.Uint32(body))
	if body, err = readFull(c.reader, body, metadataSize); err != nil {
		return nil, StatusOK, err
	}
	req, count, st := decodeSendMetadata(body[4:])
	if st != StatusOK {
		return nil, st, nil
	}
	indexesSize := uint64(count) * indexSize
	if indexesSize > uint64(total-4-metadataSize) {
		return nil, StatusInvalidCommand, nil
	}
	if body, err = readFull(c.reader, body, total-4-metadataSize); err != nil {
		return nil, StatusOK, err
	}
	indexesAt := 4 + metadataSize
	// Reading may have moved the body to a larger buffer.
	req.value = body[indexesAt-4-len(req.value) : indexesAt-4]
	req.data = body[indexesAt+int(indexesSize):]
	req.ends, st = validateBatch(body[indexesAt:indexesAt+int(indexesSize)], req.data, int(count))
	return req, st, nil
}

// decodeSendMetadata decodes what precedes the indexes. Its statuses for malformed identifiers
// differ from those of the other commands.
func decodeSendMetadata(b []byte) (*sendRequest, uint32, Status) {
	req := &sendRequest{}
	var st Status
	if req.topic.stream, b, st = decodeSendIdentifier(b); st != StatusOK {
		return nil, 0, st
	}
	if req.topic.topic, b, st = decodeSendIdentifier(b); st != StatusOK {
		return nil, 0, st
	}
	if len(b) < 2 {
		return nil, 0, StatusInvalidCommand
	}
	kind, n := b[0], int(b[1])
	switch {
	case kind < partitioningBalanced || kind > partitioningKey,
		kind == partitioningBalanced && n != 0,
		kind == partitioningID && n != 4,
		len(b) < 2+n+4:
		return nil, 0, StatusInvalidCommand
	}
	req.kind, req.value = kind, b[2:2+n]
	return req, binary.LittleEndian.Uint32(b[2+n:]), StatusOK
}

func decodeSendIdentifier(b []byte) (identifier, []byte, Status) {
	if len(b) < 2 || len(b) < 2+int(b[1]) || b[1] == 0 {
		return identifier{}, nil, StatusInvalidIdentifier
	}
	value, rest := b[2:2+int(b[1])], b[2+int(b[1]):]
	switch b[0] {
	case 1:
		if len(value) != 4 {
			return identifier{}, nil, StatusInvalidIdentifier
		}
		return identifier{id: binary.LittleEndian.Uint32(value)}, rest, StatusOK
	case 2:
		return nameIdentifier(string(value)), rest, StatusOK
	default:
		return identifier{}, nil, StatusInvalidIdentifier
	}
}

// send stores a batch.
func (c *conn) send(req *sendRequest) Status {
	s := c.server
	p, st := c.findSendPartition(req)
	if st != StatusOK {
		return st
	}
	if st := p.append(req.data, req.ends, s.now()); st != StatusOK {
		return st
	}
	if s.opts.migration && req.kind == partitioningID && !c.migrated {
		// The real server moves the connection to the shard of the partition: see
		// [WithConnectionMigration].
		c.migrated = true
		s.clients.add(c.clientID, c.remote.String(), c)
	}
	return StatusOK
}

func (c *conn) findSendPartition(req *sendRequest) (*partition, Status) {
	c.server.catalog.mu.RLock()
	defer c.server.catalog.mu.RUnlock()
	t, st := c.findTopic(req.topic, canSend)
	if st != StatusOK {
		return nil, st
	}
	return selectPartition(t, req)
}

// selectPartition needs the catalog's lock.
func selectPartition(t *topic, req *sendRequest) (*partition, Status) {
	id := uint32(0)
	switch req.kind {
	case partitioningBalanced:
		if len(t.partitions) == 0 {
			return nil, StatusTopicNotFound
		}
		id = t.nextBalancedPartition()
	case partitioningID:
		id = binary.LittleEndian.Uint32(req.value) & partitionMask
	case partitioningKey:
		// Without partitions the real server divides by zero and exits.
		if n := len(t.partitions); n > 0 {
			id = xxh32(req.value) % uint32(n)
		}
	}
	p := t.partition(id)
	if p == nil {
		return nil, StatusPartitionNotFound
	}
	return p, StatusOK
}
