package producer

import (
	"sync"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// packing is how the payloads of a topic are compressed.
type packing struct {
	compression config.Compression
	minSize     int
	header      []byte // content-encoding, encoded
}

func newPacking(c config.Compression, minSize int) packing {
	if c == config.CompressionNone || c == "" {
		return packing{}
	}
	return packing{compression: c, minSize: minSize, header: wire.AppendHeader(nil, topic.HeaderContentEncoding, string(c))}
}

// pack compresses it where that makes it smaller, and says so in its headers.
func (k *packing) pack(it *item) error {
	if k.header == nil || len(it.payload) < k.minSize || len(it.payload) == 0 {
		return nil
	}
	s := it.need()
	packed, err := encoding.Append(s.packed[:0], k.compression, it.payload)
	s.packed = packed
	if err != nil {
		return err
	}
	if len(packed)+len(k.header) >= len(it.payload) {
		return nil
	}
	it.payload = packed
	it.own()
	s.headers = append(s.headers, k.header...)
	it.headers = s.headers
	return nil
}

// scratch is memory for preparing one message.
type scratch struct {
	payload, packed, headers []byte
}

// own moves the item's headers into its scratch, where more may be appended.
func (it *item) own() *scratch {
	s := it.need()
	if !it.owned {
		s.headers = append(s.headers[:0], it.headers...)
		it.owned = true
	}
	return s
}

// need is the item's scratch, which most messages do without.
func (it *item) need() *scratch {
	if it.scratch == nil {
		it.scratch = scratches.Get().(*scratch)
	}
	return it.scratch
}

// release gives the scratch back. The item must not be used after it.
func (it *item) release() {
	if it.scratch != nil {
		it.scratch.release()
	}
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// maxScratch keeps the pool from holding on to what one huge message needed.
const maxScratch = 1 << 20

// fit makes room for payloads like this one, which a codec made and s has none for. It may be in the codec's own memory, where
// nothing must be written: only what s has made is its own.
func (s *scratch) fit(payload []byte) {
	if n := len(payload) + len(payload)/4; len(payload) > cap(s.payload) && n <= maxScratch {
		s.payload = make([]byte, 0, n)
	}
}

func (s *scratch) release() {
	if cap(s.payload)+cap(s.packed)+cap(s.headers) <= maxScratch {
		scratches.Put(s)
	}
}
