package producer

import (
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// compressor compresses the payloads of one topic.
type compressor struct {
	compression config.Compression
	minSize     int
	header      []byte // the encoded content-encoding header
}

func newCompressor(c config.Compression, minSize config.Bytes) compressor {
	if c == config.CompressionNone {
		return compressor{}
	}
	return compressor{compression: c, minSize: int(minSize), header: wire.AppendHeader(nil, topic.HeaderContentEncoding, string(c))}
}

// compress replaces the payload of it where that makes the message smaller, and adds the
// content-encoding header. A payload with that header is encoded already.
func (c *compressor) compress(it *item) error {
	if c.header == nil || len(it.payload) < c.minSize || len(it.payload) == 0 || wire.HasHeader(it.headers, topic.HeaderContentEncoding) {
		return nil
	}
	s := it.getScratch()
	compressed, err := encoding.Append(s.compressed[:0], c.compression, it.payload)
	s.compressed = compressed
	if err != nil {
		return err
	}
	if len(compressed)+len(c.header) >= len(it.payload) {
		return nil
	}
	it.payload = compressed
	it.ownHeaders()
	s.headers = append(s.headers, c.header...)
	it.headers = s.headers
	return nil
}
