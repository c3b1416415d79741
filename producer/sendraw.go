package producer

import (
	"context"

	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// SendRaw sends a message byte for byte, with its id, and waits for its outcome: it is neither
// encoded nor compressed, and gets no header. It is for copies of stored messages, such as dead
// letters. It returns nil when the message is confirmed; see Send for ctx and the error.
func (p *Producer) SendRaw(ctx context.Context, m topic.RawMessage) error {
	t := p.topics.get(m.Stream, m.Topic)
	if err := argument.Context(ctx); err != nil {
		return t.refuse(-1, err)
	}
	it := item{key: m.Key, id: m.ID, payload: m.Payload, headers: m.Headers, raw: true}
	if !m.OriginTimestamp.IsZero() {
		it.created = uint64(max(m.OriginTimestamp.UnixMicro(), 0))
	}
	if !m.ByKey {
		it.partition = OnPartition(m.Partition)
	}
	defer it.release()
	_, err := p.sendItem(ctx, t, &it)
	return err
}
