package cli

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// fetchboxPublish is a publish command for one of FetchBox's topics.
type fetchboxPublish[T proto.Message] struct {
	what     string // what one message is, in words
	topic    func(jobs.Topics) fmt.Stringer
	validate func(T) error
	send     func(ctx context.Context, p *producer.Producer, topics jobs.Topics, messages []T) error
}

type publishOptions struct {
	file   string
	dryRun bool
}

func (o *publishOptions) addFlags(c *cobra.Command, content string) {
	c.Flags().StringVarP(&o.file, "file", "f", "", "`file` with "+content+"; - is standard input")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "check the messages, and publish nothing")
}

// addProtobufFlags adds the flags of a command whose messages are given in protobuf's JSON.
func (o *publishOptions) addProtobufFlags(c *cobra.Command, what string) {
	o.addFlags(c, "one "+what+" as JSON, an array of them or JSON lines")
	_ = c.MarkFlagFilename("file", "json", "jsonl")
}

// check requires --file.
func (o *publishOptions) check() error {
	if o.file == "" {
		return usagef("--file says what to publish; - is standard input")
	}
	return nil
}

func (p fetchboxPublish[T]) run(ctx context.Context, a *app, o publishOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	cluster, err := a.loadCluster()
	if err != nil {
		return err
	}
	topics := jobs.FromConfig(cluster.Topics)
	return publishRun[T]{
		what: p.what, destination: p.topic(topics).String(), read: p.read, size: func(m T) int { return proto.Size(m) },
		send: func(ctx context.Context, sender *producer.Producer, messages []T) error {
			return p.send(ctx, sender, topics, messages)
		},
	}.run(ctx, a, cluster, o.file, o.dryRun)
}

// read reads and validates messages.
func (p fetchboxPublish[T]) read(r io.Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		n := 0
		for message, err := range readProtobuf[T](r) {
			if err == nil {
				n++
				if err = p.validate(message); err != nil {
					err = fmt.Errorf("%s %d: %w", p.what, n, err)
				}
			}
			if !yield(message, err) || err != nil {
				return
			}
		}
	}
}
