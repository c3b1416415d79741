package embedded

import "encoding/binary"

const (
	indexSize       = 16
	maxPayloadSize  = 64_000_000
	maxHeadersBytes = 100_000
)

// validateBatch checks the indexes and the messages of a send and returns where each message ends.
// An index is `[u32 0][u32 end of the message, counted from the first one][u64 0]`. Offset,
// timestamp and checksum of the messages are set by the server.
func validateBatch(indexes, data []byte, count int) ([]uint32, Status) {
	if count == 0 {
		return nil, StatusInvalidMessagesCount
	}
	ends := make([]uint32, count)
	var start, position, sum, offset uint64
	for i := range ends {
		index := indexes[i*indexSize:]
		if binary.LittleEndian.Uint32(index) != 0 {
			return nil, StatusNonZeroOffset
		}
		if binary.LittleEndian.Uint64(index[8:]) != 0 {
			return nil, StatusNonZeroTimestamp
		}
		indexedEnd := uint64(binary.LittleEndian.Uint32(index[4:]))
		end := indexedEnd
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
		if indexedEnd < position {
			return nil, StatusInvalidIndexPosition
		}
		position, start, sum = indexedEnd, indexedEnd, sum+size
		ends[i] = uint32(end)
	}
	if sum != uint64(len(data)) {
		return nil, StatusInvalidMessagesSize
	}
	return ends, StatusOK
}
