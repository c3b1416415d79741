package consumer

import (
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// decompress returns the message's payload without the compression that its headers name.
func (a *app[T]) decompress(raw *wire.Message) ([]byte, error) {
	if !deliver.Compressed(raw) {
		// Most messages end here, without their headers being decoded.
		return raw.Payload, nil
	}
	name, err := deliver.ContentEncoding(raw)
	if err != nil {
		return nil, err
	}
	return encoding.Decode(name, raw.Payload, int(a.e.cfg.MaxDecompressedBytes))
}
