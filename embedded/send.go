package embedded

import (
	"encoding/binary"
	"errors"

	"go.uber.org/zap"
)

const (
	indexSize       = 16
	maxPayloadSize  = 64_000_000
	maxHeadersBytes = 100_000
)

// sendRequest is a decoded send.
type sendRequest struct {
	stream, topic identifier
	kind          uint8
	value         []byte
	data          []byte
	ends          []uint32
}

// partitionMask is what the real server looks at of a partition's number when it sends, polls or flushes: the lower 20
// bits. The other commands look at all of it.
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
// A partitioning is `[u8 kind][u8 length][length bytes]`: 1 balanced with no bytes, 2 a partition's number of 4 bytes, 3
// a key. An index is `[u32 0][u32 end of the message, from the first one on][u64 0]`. The layout of a message stands in
// partition.go; what the server sets itself is ignored.
//
// Like the real server it decides while it reads: when it answers a status early, the rest of the body stays unread and
// is taken for the next request. A client must throw such a connection away.
func (c *conn) readSend(length uint32) (req *sendRequest, body []byte, st Status, err error) {
	if c.user.Load() == noUser {
		return nil, nil, StatusUnauthenticated, nil
	}
	if length > maxSendBody {
		c.answer(StatusInvalidCommand)
		return nil, nil, StatusOK, errors.Join(c.flush(), errCloseConn)
	}
	total := int(length)
	body, err = readFull(c.reader, make([]byte, 0, min(total, allocationStep)), min(total, 4))
	if err != nil {
		return nil, nil, StatusOK, err
	}
	if len(body) < 4 {
		return nil, nil, StatusInvalidCommand, nil
	}
	if uint64(binary.LittleEndian.Uint32(body)) > uint64(total-4) {
		return nil, nil, StatusInvalidCommand, nil
	}
	metadata := int(binary.LittleEndian.Uint32(body))
	if body, err = readFull(c.reader, body, metadata); err != nil {
		return nil, nil, StatusOK, err
	}
	req, count, st := decodeSendMetadata(body[4:])
	if st != StatusOK {
		return nil, nil, st, nil
	}
	indexes := uint64(count) * indexSize
	if indexes > uint64(total-4-metadata) {
		return nil, nil, StatusInvalidCommand, nil
	}
	if body, err = readFull(c.reader, body, total-4-metadata); err != nil {
		return nil, nil, StatusOK, err
	}
	at := 4 + metadata
	req.value = body[at-4-len(req.value) : at-4]
	req.data = body[at+int(indexes):]
	req.ends, st = validateBatch(body[at:at+int(indexes)], req.data, int(count))
	return req, body, st, nil
}

// decodeSendMetadata has decoding statuses of its own: those of identifiers differ from the other commands'.
func decodeSendMetadata(b []byte) (*sendRequest, uint32, Status) {
	req := &sendRequest{}
	var st Status
	if req.stream, b, st = decodeRawIdentifier(b); st != StatusOK {
		return nil, 0, st
	}
	if req.topic, b, st = decodeRawIdentifier(b); st != StatusOK {
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

func decodeRawIdentifier(b []byte) (identifier, []byte, Status) {
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
		return identifier{named: true, name: string(value)}, rest, StatusOK
	default:
		return identifier{}, nil, StatusInvalidIdentifier
	}
}

// checkBatch holds the indexes against the messages and returns where each message ends.
func validateBatch(indexes, data []byte, count int) ([]uint32, Status) {
	if count == 0 {
		return nil, StatusInvalidMessagesCount
	}
	ends := make([]uint32, count)
	var start, position, sum, offset uint64
	for i := range ends {
		ix := indexes[i*indexSize:]
		if binary.LittleEndian.Uint32(ix) != 0 {
			return nil, StatusNonZeroOffset
		}
		if binary.LittleEndian.Uint64(ix[8:]) != 0 {
			return nil, StatusNonZeroTimestamp
		}
		indexed := uint64(binary.LittleEndian.Uint32(ix[4:]))
		end := indexed
		if i == count-1 {
			end = uint64(len(data))
		}
		if start > end || end > uint64(len(data)) || end-start < messageHeaderSize {
			return nil, StatusMissingIndex
		}
		m := data[start:end]
		payload := uint64(binary.LittleEndian.Uint32(m[payloadLengthAt:]))
		headers := uint64(binary.LittleEndian.Uint32(m[headersLengthAt:]))
		size := messageHeaderSize + payload + headers
		switch {
		case size > uint64(len(m)):
			return nil, StatusMissingIndex
		case payload > maxPayloadSize:
			return nil, StatusTooBigPayload
		case headers > maxHeadersBytes:
			return nil, StatusTooBigUserHeaders
		}
		previous := offset
		offset = binary.LittleEndian.Uint64(m[offsetAt:])
		if offset < previous {
			return nil, StatusInvalidOffset
		}
		if indexed < position {
			return nil, StatusInvalidIndexPosition
		}
		position, start, sum = indexed, indexed, sum+size
		ends[i] = uint32(end)
	}
	if sum != uint64(len(data)) {
		return nil, StatusInvalidMessagesSize
	}
	return ends, StatusOK
}

// send stores a batch.
func (c *conn) send(req *sendRequest) Status {
	s := c.server
	s.catalog.mu.RLock()
	t, st := c.topic(req.stream, req.topic, canSend)
	var p *partition
	if st == StatusOK {
		p, st = selectPartition(t, req)
	}
	s.catalog.mu.RUnlock()
	if st != StatusOK {
		return st
	}
	if st := p.append(req.data, req.ends, s.now()); st != StatusOK {
		return st
	}
	if s.opts.migration && req.kind == partitioningID && !c.migrated {
		c.migrated = true
		s.clients.reset(c.clientID, c.remote.String(), c)
	}
	return StatusOK
}

// choose needs the catalog's lock.
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
		// Without partitions the real server divides by zero and ends, with all its connections.
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

// flushUnsavedBuffer reads `[identifier stream][identifier topic][u32 partition][u8 sync]` and writes what waits in
// memory.
func (c *conn) flushUnsavedBuffer(d *decoder) Status {
	streamID, topicID := d.identifier(), d.identifier()
	partitionID, sync := d.u32(), d.u8() != 0
	if st := c.admit(d); st != StatusOK {
		return st
	}
	p, st := c.flushed(streamID, topicID, partitionID)
	if st != StatusOK {
		return st
	}
	if err := p.save(sync); err != nil {
		c.server.log.Error("messages not written", zap.Error(err))
		return StatusCannotSaveMessages
	}
	return StatusOK
}

func (c *conn) flushed(streamID, topicID identifier, partitionID uint32) (*partition, Status) {
	cat := c.server.catalog
	cat.mu.RLock()
	defer cat.mu.RUnlock()
	t, st := c.topic(streamID, topicID, canSend)
	if st != StatusOK {
		return nil, st
	}
	p := t.partition(partitionID & partitionMask)
	if p == nil {
		return nil, StatusPartitionNotFound
	}
	return p, StatusOK
}
