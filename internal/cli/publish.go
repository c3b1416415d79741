package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

const (
	// chunk is how many messages are read ahead and sent together.
	chunk = 1000
	// chunkBytes bounds a chunk's encoded messages.
	chunkBytes = 16 << 20
	// grace is how long an interrupt waits for what is on its way.
	grace = 5 * time.Second
)

// publication is what the publish commands differ in.
type publication[T proto.Message] struct {
	what     string // one message, in words
	topic    func(config.Topics) config.Topic
	validate func(T) error
	send     func(ctx context.Context, p *producer.Producer, topics jobs.Topics, messages []T) error
}

type publishOptions struct {
	file   string
	dryRun bool
}

func (o *publishOptions) flags(c *cobra.Command, what string) {
	c.Flags().StringVarP(&o.file, "file", "f", "", "`file` with one "+what+" as JSON, an array of them or JSON lines; - is standard input")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "check everything and publish nothing")
	_ = c.MarkFlagFilename("file", "json", "jsonl")
}

// counts are the outcomes of a publication.
type counts struct {
	Published   int  `json:"published"`
	Failed      int  `json:"failed"`
	Unknown     int  `json:"unknown"`
	Interrupted bool `json:"interrupted,omitempty"`
	DryRun      bool `json:"dry_run,omitempty"`
}

// publish publishes the messages of a file. A file that can be read twice is
// checked to its end before the first message is sent, so that a fault in it
// leaves nothing half done.
func (p publication[T]) publish(ctx context.Context, a *app, o publishOptions) error {
	if o.file == "" {
		return usagef("--file says what to publish; - is standard input")
	}
	cluster, err := a.load()
	if err != nil {
		return err
	}
	in, size, err := a.open(o.file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	counted := &countingReader{r: in}
	checked := 0
	if size >= 0 || o.dryRun {
		if checked, err = p.check(ctx, counted, size, o.file, a.err); err != nil {
			return err
		}
	}
	if o.dryRun {
		return a.summary(counts{Published: checked, DryRun: true}, p.what, "")
	}
	if size >= 0 {
		if _, err := in.(io.Seeker).Seek(0, io.SeekStart); err != nil {
			return err
		}
		counted.n.Store(0)
	}
	sender, err := producer.New(cluster.Iggy, cluster.Producer,
		append(jobs.Compression(cluster.Topics), producer.WithLogger(a.logger()))...)
	if err != nil {
		return err
	}
	if err := sender.Start(ctx); err != nil {
		return cause(ctx, err)
	}
	topics := jobs.FromConfig(cluster.Topics)
	bar := newProgress(a.err, "published", size)
	var total counts
	work := func(ctx context.Context) error {
		return p.chunks(ctx, counted, o.file, func(messages []T) error {
			err := p.sendChunk(ctx, &total, func(ctx context.Context) error { return p.send(ctx, sender, topics, messages) }, len(messages))
			bar.at(counted.n.Load(), total.Published)
			return err
		})
	}
	failure := work(ctx)
	bar.end()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	_ = sender.Stop(stop) // every message has its outcome
	total.Interrupted = errors.Is(cause(ctx, nil), errInterrupted)
	if failure != nil && total == (counts{}) {
		return failure
	}
	place := cluster.Topics.Stream + "/" + p.topic(cluster.Topics).Name
	return errors.Join(failure, a.summary(total, p.what, place))
}

// check reads all messages and counts them.
func (p publication[T]) check(ctx context.Context, in *countingReader, size int64, file string, w io.Writer) (int, error) {
	bar := newProgress(w, "checked", size)
	defer bar.end()
	n := 0
	err := p.chunks(ctx, in, file, func(messages []T) error {
		n += len(messages)
		bar.at(in.n.Load(), n)
		return nil
	})
	return n, err
}

// chunks reads and validates messages, and hands them on in chunks. Those before
// a fault are handed on, too. When ctx ends it stops between two chunks.
func (p publication[T]) chunks(ctx context.Context, in io.Reader, file string, take func([]T) error) error {
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
		return take(messages)
	}
	for message, err := range readMessages[T](interruptible(ctx, in)) {
		if err == nil {
			n++
			if err = p.validate(message); err != nil {
				err = fmt.Errorf("%s %d: %w", p.what, n, err)
			}
		}
		if err != nil {
			return errors.Join(flush(), cause(ctx, fmt.Errorf("%s: %w", file, err)))
		}
		messages = append(messages, message)
		size += proto.Size(message)
		if len(messages) == chunk || size >= chunkBytes {
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

// sendChunk sends one chunk to its end, also when ctx ends meanwhile, unless
// that takes too long.
func (p publication[T]) sendChunk(ctx context.Context, total *counts, send func(context.Context) error, n int) error {
	if err := cause(ctx, nil); err != nil {
		return err
	}
	bounded, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, func() { cancel(errInterrupted) }) })
	defer stop()
	err := send(bounded)
	var all *producer.SendAllError
	if !errors.As(err, &all) {
		if err == nil {
			total.Published += n
		} else {
			total.Failed += n
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
	// One cause says enough: the counts stand in the summary.
	for _, r := range all.Results {
		if r.Err != nil {
			return cause(ctx, r.Err)
		}
	}
	return nil
}

// summary says what was published.
func (a *app) summary(c counts, what, place string) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(c)
	}
	text := fmt.Sprintf("published %s to %s", plural(c.Published, what), place)
	if c.DryRun {
		text = fmt.Sprintf("checked %s, published nothing", plural(c.Published, what))
	}
	if c.Failed > 0 {
		text += fmt.Sprintf("; %d failed, surely not stored", c.Failed)
	}
	if c.Unknown > 0 {
		text += fmt.Sprintf("; %d unknown: sent, but not confirmed", c.Unknown)
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case len(what) > 0 && what[len(what)-1] == 's':
		return fmt.Sprintf("%d %ses", n, what)
	default:
		return fmt.Sprintf("%d %ss", n, what)
	}
}

// open opens a file, or standard input. The size is -1 for what can be read
// only once.
func (a *app) open(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(a.in), -1, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	if info.IsDir() {
		_ = file.Close()
		return nil, 0, fmt.Errorf("%s: is a directory", name)
	}
	if !info.Mode().IsRegular() {
		return file, -1, nil
	}
	return file, info.Size(), nil
}

// countingReader counts what was read, also by a read that was abandoned.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// interruptible is r, whose Read also returns when ctx ends: a terminal may
// never give another line. The read that is abandoned ends with the process.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	if c, ok := r.(*countingReader); ok {
		if f, ok := c.r.(*os.File); ok {
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
				return r
			}
		}
	}
	return &interruptibleReader{ctx: ctx, r: r}
}

type interruptibleReader struct {
	ctx    context.Context
	r      io.Reader
	unread bytes.Buffer
	err    error
}

func (i *interruptibleReader) Read(b []byte) (int, error) {
	if i.unread.Len() > 0 {
		return i.unread.Read(b)
	}
	if i.err != nil {
		return 0, i.err
	}
	type chunk struct {
		data []byte
		err  error
	}
	got := make(chan chunk, 1)
	go func() {
		buf := make([]byte, 64<<10)
		n, err := i.r.Read(buf)
		got <- chunk{buf[:n], err}
	}()
	select {
	case c := <-got:
		i.unread.Write(c.data)
		i.err = c.err
		if i.unread.Len() == 0 {
			return 0, i.err
		}
		return i.unread.Read(b)
	case <-i.ctx.Done():
		return 0, context.Cause(i.ctx)
	}
}
