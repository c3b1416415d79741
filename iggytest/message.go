package iggytest

import (
	"strings"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Message is a stored message.
type Message struct {
	embedded.Message
	// Partition is the partition that holds it.
	Partition uint32
	// Headers are the decoded user headers. Those behind a malformed one are left out.
	Headers []topic.Header
}

func newMessage(stored embedded.Message, partition uint32) Message {
	m := Message{Message: stored, Partition: partition}
	_ = wire.RangeHeaders(stored.UserHeaders, func(key, value string) bool {
		m.Headers = append(m.Headers, topic.Header{Key: key, Value: value})
		return true
	})
	return m
}

// Header returns the value of the first user header with that key, in any case of letters; empty
// when there is none.
func (m Message) Header(key string) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Key, key) {
			return h.Value
		}
	}
	return ""
}
