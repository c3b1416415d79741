package deadletter

import (
	"errors"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// TopicOf returns the topic of the dead letters of a consumer of t, as cfg.DeadLetters configures it:
// by default TOPIC.GROUP.dlq in the stream of t. Consumers read letters from it as from every topic,
// and admin.Of is its specification for provisioning. It panics like topic.New for a name of more than
// 255 bytes.
func TopicOf[T any](t topic.Topic[T], cfg config.Consumer) topic.Topic[Letter] {
	c := cfg.DeadLetters
	name := c.Name
	if name == "" {
		name = t.Name() + "." + cfg.Group + ".dlq"
	}
	return topic.New(t.Stream(), name, Codec(), topic.WithSettings[Letter](topic.Settings{
		Partitions: c.Partitions, Retention: c.Retention.Duration(), MaxSize: uint64(max(c.MaxSize, 0)),
	}))
}

// Codec returns the codec of dead letters. It decodes those that a Sink has written, and encodes none.
func Codec() topic.Codec[Letter] { return codec{} }

type codec struct{}

// DecodeRaw implements topic.RawDecoder: a dead letter is as its message was stored, so its
// content-encoding is that of the message.
func (codec) DecodeRaw(m topic.RawMessage) (Letter, error) { return parse(m) }

var (
	errEncode = errors.New("deadletter: only a Sink writes dead letters, not a publisher")
	errDecode = errors.New("deadletter: only DecodeRaw decodes a dead letter")
)

func (codec) Append(dst []byte, _ Letter) ([]byte, error)  { return dst, errEncode }
func (codec) Decode([]byte, topic.Headers) (Letter, error) { return Letter{}, errDecode }
func (codec) ContentType() string                          { return "" }
func (codec) MessageType() string                          { return "" }
