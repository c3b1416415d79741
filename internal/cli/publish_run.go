package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

const (
	// maxChunkMessages is how many messages are sent together at most.
	maxChunkMessages = 1000
	// maxChunkBytes bounds the encoded messages of a chunk.
	maxChunkBytes = 16 << 20
)

// publishRun publishes the messages of a file.
type publishRun[T any] struct {
	what        string // what one message is, in words
	destination string
	// read reads messages that can be published. An error ends the iteration.
	read func(io.Reader) iter.Seq2[T, error]
	// size is roughly the encoded size of a message.
	size func(T) int
	send func(ctx context.Context, p *producer.Producer, messages []T) error
}

// publishCounts counts messages by outcome.
type publishCounts struct {
	Published int `json:"published"`
	Failed    int `json:"failed"`
	Unknown   int `json:"unknown"`
	// NotSent counts those that were not tried, after a failure or an interrupt. It is 0 for standard
	// input, whose messages are not known.
	NotSent     int  `json:"not_sent,omitempty"`
	Interrupted bool `json:"interrupted,omitempty"`
	DryRun      bool `json:"dry_run,omitempty"`
}

// run publishes the messages of a file. A file that can be read twice is checked to its end before
// the first message is sent, so that nothing is published from a faulty file.
func (p publishRun[T]) run(ctx context.Context, a *app, cluster config.Cluster, name string, dryRun bool) error {
	in, size, err := a.openInput(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	counted := &countingReader{r: in}
	checked := 0
	if size >= 0 || dryRun {
		if checked, err = p.check(ctx, counted, size, name, a.err); err != nil {
			return err
		}
	}
	if dryRun {
		return a.printSummary(publishCounts{Published: checked, DryRun: true}, p.what, "")
	}
	if size >= 0 {
		if _, err := in.(io.Seeker).Seek(0, io.SeekStart); err != nil {
			return err
		}
		counted.n.Store(0)
	}
	sender, err := producer.New(cluster.Iggy, cluster.Producer, producer.WithLogger(a.logger()))
	if err != nil {
		return err
	}
	if err := sender.Start(ctx); err != nil {
		return interruptedOr(ctx, err)
	}
	bar := newProgressBar(a.err, "published", size)
	var total publishCounts
	failure := p.chunks(ctx, counted, name, func(messages []T) error {
		err := p.sendChunk(ctx, sender, &total, messages)
		bar.update(counted.n.Load(), total.Published)
		return err
	})
	bar.clear()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	_ = sender.Stop(stopping) // every message has its outcome
	total.Interrupted = interrupted(ctx) != nil
	if failure != nil && total == (publishCounts{}) {
		return failure
	}
	total.NotSent = max(checked-total.Published-total.Failed-total.Unknown, 0)
	return errors.Join(failure, a.printSummary(total, p.what, p.destination))
}

// check reads all messages and counts them.
func (p publishRun[T]) check(ctx context.Context, in *countingReader, size int64, file string, w io.Writer) (int, error) {
	bar := newProgressBar(w, "checked", size)
	defer bar.clear()
	n := 0
	err := p.chunks(ctx, in, file, func(messages []T) error {
		n += len(messages)
		bar.update(in.n.Load(), n)
		return nil
	})
	return n, err
}

// chunks reads messages, and calls fn for each chunk, also for the messages before a fault. When ctx
// ends, it stops between two chunks.
func (p publishRun[T]) chunks(ctx context.Context, in io.Reader, file string, fn func([]T) error) error {
	if file == "-" {
		file = "standard input"
	}
	var messages []T
	n, size := 0, 0
	flush := func() error {
		defer func() { messages, size = nil, 0 }()
		if len(messages) == 0 {
			return nil
		}
		return fn(messages)
	}
	for message, err := range p.read(interruptible(ctx, in)) {
		if err != nil {
			return errors.Join(flush(), interruptedOr(ctx, fmt.Errorf("%s: %w", file, err)))
		}
		n++
		messages = append(messages, message)
		size += p.size(message)
		if len(messages) == maxChunkMessages || size >= maxChunkBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if n == 0 {
		return fmt.Errorf("%s: holds no %s", file, p.what)
	}
	return flush()
}

// sendChunk sends one chunk, and counts the outcomes. When ctx ends, it continues for the grace
// period.
func (p publishRun[T]) sendChunk(ctx context.Context, sender *producer.Producer, total *publishCounts, messages []T) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	bounded, cancel := withGracePeriod(ctx)
	defer cancel()
	err := p.send(bounded, sender, messages)
	var all *producer.SendAllError
	if !errors.As(err, &all) {
		if err == nil {
			total.Published += len(messages)
		} else {
			total.Failed += len(messages)
		}
		return err
	}
	for _, r := range all.Results {
		switch r.Outcome {
		case producer.Confirmed:
			total.Published++
		case producer.Unknown:
			total.Unknown++
		default:
			total.Failed++
		}
	}
	// The summary has the counts, so one error is enough.
	for _, r := range all.Results {
		if r.Err != nil {
			return interruptedOr(ctx, r.Err)
		}
	}
	return nil
}

// printSummary prints the counts.
func (a *app) printSummary(c publishCounts, what, destination string) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(c)
	}
	text := fmt.Sprintf("published %s to %s", plural(c.Published, what), destination)
	if c.DryRun {
		text = fmt.Sprintf("checked %s, published nothing", plural(c.Published, what))
	}
	if c.Failed > 0 {
		text += fmt.Sprintf("; %d failed, surely not stored", c.Failed)
	}
	if c.Unknown > 0 {
		text += fmt.Sprintf("; %d unknown: sent, but not confirmed", c.Unknown)
	}
	if c.NotSent > 0 {
		text += fmt.Sprintf("; %d not sent", c.NotSent)
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}
