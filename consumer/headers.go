package consumer

import (
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// plainHeaders returns the encoded headers of a message, decrypted where the codec encrypts them.
func (s *settings) plainHeaders(raw *wire.Message) ([]byte, error) {
	if s.cipher == nil || len(raw.Headers) == 0 {
		return raw.Headers, nil
	}
	return s.cipher.DecryptHeaders(raw.Headers)
}

// headersOf returns the headers of a message; none when they can't be decrypted.
func (s *settings) headersOf(raw *wire.Message) topic.Headers {
	encoded, err := s.plainHeaders(raw)
	if err != nil {
		return topic.Headers{}
	}
	return topic.EncodedHeaders(encoded)
}
