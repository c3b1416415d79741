package producer

import (
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// set sets what it contains of m.
func (it *item) set(m *Message) error {
	it.key, it.partition, it.id, it.payload, it.cipher = m.Key, m.Partition, m.ID, m.Payload, m.cipher
	return it.addHeaders(m.Headers)
}

const maxKeyBytes = 255

// item is a message in the form in which it is appended to a batch.
type item struct {
	key          string
	partition    Partition
	id           [16]byte
	created      uint64 // in microseconds since 1970; 0: now
	payload      []byte
	headers      []byte // encoded
	headersOwned bool   // headers are in the scratch
	raw          bool   // nothing is compressed or added
	watchers     watchers
	cipher       topic.HeaderCipher // nil: headers are not encrypted

	scratch *scratch // nil until it is needed
}

func (it *item) size() int { return wire.EncodedSize(len(it.payload), len(it.headers)) }

// check refuses what the server would refuse, before it is buffered.
func (it *item) check() error {
	switch {
	case len(it.payload) == 0:
		return iggyerr.ErrEmptyPayload
	case len(it.payload) > iggyerr.MaxPayloadBytes:
		return fmt.Errorf("payload of %d bytes, the limit is %d: %w", len(it.payload), iggyerr.MaxPayloadBytes, iggyerr.ErrTooLarge)
	case len(it.headers) > iggyerr.MaxHeaderBytes:
		return fmt.Errorf("headers of %d bytes (%s), the server's limit is %d: %w", len(it.headers), headerParts(it.headers), iggyerr.MaxHeaderBytes, iggyerr.ErrTooLarge)
	case len(it.key) > maxKeyBytes:
		return fmt.Errorf("key of %d bytes, the server's limit is %d: %w", len(it.key), maxKeyBytes, iggyerr.ErrTooLarge)
	}
	return nil
}

// encryptHeaders encrypts the headers where the codec does so.
func (it *item) encryptHeaders() error {
	if it.cipher == nil || len(it.headers) == 0 {
		return nil
	}
	it.headers = it.cipher.EncryptHeaders(it.headers)
	if n := len(it.headers); n > iggyerr.MaxHeaderBytes {
		return fmt.Errorf("encrypted headers of %d bytes, the server's limit is %d: %w", n, iggyerr.MaxHeaderBytes, iggyerr.ErrTooLarge)
	}
	return nil
}
