package iggytest

import (
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Message is a stored message.
type Message struct {
	embedded.Message
	// Partition is the partition that holds it.
	Partition uint32
	// Headers are the decoded user headers. Those after a malformed one are left out.
	Headers []topic.Header
}

func newMessage(stored embedded.Message, partition uint32) Message {
	return Message{Message: stored, Partition: partition, Headers: slices.Collect(topic.EncodedHeaders(stored.UserHeaders).All())}
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
