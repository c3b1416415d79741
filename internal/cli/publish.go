package cli

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The formats of what publish reads.
const (
	inputMessage = "message" // the whole input is one payload
	inputLines   = "lines"   // each line is a payload
	inputJSON    = "json"    // messages as tail prints them
)

var compressions = []string{
	string(config.CompressionNone), string(config.CompressionS2), string(config.CompressionZstd), string(config.CompressionGzip),
}

var inputFormats = []string{inputMessage, inputLines, inputJSON}

// messageOptions are the flags of publish.
type messageOptions struct {
	publishOptions
	format    string
	headers   []string
	key       string
	storeKey  bool
	partition int64 // -1: none is chosen
	// ignorePartition leaves the choice of the partition to the key, or to the producer, whatever the
	// messages say.
	ignorePartition bool
	compression     string // empty: as the topic is configured
	types           typeOptions
}

func (a *app) publishCommand() *cobra.Command {
	var o messageOptions
	c := &cobra.Command{
		Use:   "publish STREAM/TOPIC --file FILE",
		Short: "Publish messages to a topic",
		Long: `Publish messages to a topic, from a file or from standard input.

--format message   the whole file is the payload of one message
--format lines     each line is the payload of a message
--format json      messages in JSON, as tail prints them: one, an array of them, or JSON
                   lines. payload is a text or a JSON value; with payload_form "hex" it
                   is a text in hex, with "protobuf" a value in protobuf's JSON. key,
                   partition, id and headers are optional:
                   {"key": "acme", "headers": {"tenant": "a"}, "payload": {"total": 3}}

With --type, the file has payloads in protobuf's JSON, and they are encoded as that
type. --header, --key and --partition apply to all messages, in place of their own. With
--ignore-partition, each message of a copy goes to the partition of its key, which the
header partition-key may have. A message without a key goes to any partition.

--compression compresses payloads. FetchBox's topics have a configured compression.
--store-key adds the header partition-key; use it for topics with topic.StoreKey.

A file is checked to its end before the first message is sent. The command returns when
the server has confirmed all messages. ctrl-C waits for the messages in flight, and
prints what was published.

` + topicHelp,
		Example: `  fetchbox-iggy-cli publish shop/orders --file order.json --key acme --header tenant=a
  fetchbox-iggy-cli publish shop/orders --file orders.jsonl --format lines --proto orders.proto --type Order
  fetchbox-iggy-cli tail shop/orders -o json | fetchbox-iggy-cli publish shop/copy --format json --file -`,
		Args:              oneTopic,
		ValidArgsFunction: a.topicArgument(),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.publish(cmd.Context(), args[0], o) },
	}
	o.addFlags(c, "the messages")
	f := c.Flags()
	f.StringVar(&o.format, "format", inputMessage, "`format` of the file: "+joinWithOr(inputFormats))
	f.StringArrayVar(&o.headers, "header", nil, "user header `name=value`; may be repeated")
	f.StringVar(&o.key, "key", "", "partition `key`")
	f.BoolVar(&o.storeKey, "store-key", false, "add the header partition-key, for topics with topic.StoreKey")
	f.Int64Var(&o.partition, "partition", -1, "`partition` to send to, in place of that of the key")
	f.BoolVar(&o.ignorePartition, "ignore-partition", false, "ignore the partitions of the messages, for a topic with fewer partitions")
	f.StringVar(&o.compression, "compression", "", "compress payloads by this `method`: "+joinWithOr(compressions))
	o.types.addFlags(c, "`name` of the protobuf type of the payloads, which are given as JSON")
	completeFlag(c, "format", fixed(inputFormats...))
	completeFlag(c, "compression", fixed(compressions...))
	completeFlag(c, "partition", a.completeBy(completePartitions))
	return c
}

func (a *app) publish(ctx context.Context, name string, o messageOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	cluster, err := a.loadCluster()
	if err != nil {
		return err
	}
	t, err := parseTopic(cluster.Topics, name)
	if err != nil {
		return err
	}
	read, err := o.reader(ctx, t, cluster.Topics.Declared[t.section])
	if err != nil {
		return err
	}
	return publishRun[producer.Message]{
		what: "message", destination: t.String(), read: read.messages, size: sizeOfMessage,
		send: func(ctx context.Context, p *producer.Producer, messages []producer.Message) error {
			return p.SendAll(ctx, messages...)
		},
	}.run(ctx, a, cluster, o.file, o.dryRun)
}

// check checks the flags.
func (o messageOptions) check() error {
	switch {
	case !slices.Contains(inputFormats, o.format):
		return usagef("--format must be %s, not %q", joinWithOr(inputFormats), o.format)
	case o.partition < -1 || o.partition > math.MaxUint32:
		return usagef("--partition must be the id of a partition, not %d", o.partition)
	case o.partition >= 0 && o.key != "":
		return usagef("--key and --partition both choose the partition")
	case o.partition >= 0 && o.ignorePartition:
		return usagef("--partition and --ignore-partition exclude each other")
	case o.storeKey && o.key == "" && o.format != inputJSON:
		return usagef("--store-key needs --key")
	case o.compression != "" && !slices.Contains(compressions, o.compression):
		return usagef("--compression must be %s, not %q", joinWithOr(compressions), o.compression)
	}
	return o.publishOptions.check()
}

// reader is the reader of the messages for a topic, which may be configured.
func (o messageOptions) reader(ctx context.Context, t topicRef, configured config.Topic) (*messageReader, error) {
	r := &messageReader{
		format: o.format, key: o.key, ignorePartition: o.ignorePartition,
		compression: configured.Compression, compressionMinSize: int(configured.CompressionMinSize),
	}
	if o.compression != "" {
		r.compression, r.compressionMinSize = config.Compression(o.compression), 0
	}
	if o.partition >= 0 {
		r.partition = producer.OnPartition(uint32(o.partition))
	}
	for _, text := range o.headers {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" || value == "" {
			return nil, usagef("--header must be name=value, not %q", text)
		}
		r.headers = append(r.headers, topic.Header{Key: key, Value: value})
	}
	var opts []topic.Option[[]byte]
	if o.storeKey {
		opts = append(opts, topic.StoreKey[[]byte]())
	}
	r.topic = topic.New(t.stream, t.name, payloadCodec{}, opts...)
	if _, err := r.message(inputPayload{bytes: []byte{0}}); err != nil { // a fault of the flags
		return nil, &usageError{err}
	}
	var err error
	r.types, r.chosen, err = o.types.load(ctx)
	return r, err
}

func sizeOfMessage(m producer.Message) int {
	size := len(m.Payload)
	for _, h := range m.Headers {
		size += len(h.Key) + len(h.Value)
	}
	return size
}

// payloadCodec is the codec of payloads that are encoded already. It describes them by no headers.
type payloadCodec struct{}

func (payloadCodec) Append(dst, payload []byte) ([]byte, error) { return append(dst, payload...), nil }

func (payloadCodec) Decode(payload []byte, _ topic.Headers) ([]byte, error) {
	return slices.Clone(payload), nil
}

func (payloadCodec) ContentType() string { return "" }
func (payloadCodec) MessageType() string { return "" }
