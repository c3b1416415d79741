package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

const (
	// consumerName is who reads, for the server's eyes; no offset is stored for it.
	consumerName = "fetchbox-iggy-cli"
	// pollBytes is about how much one poll shall bring, and maxPollBytes what is kept of it at
	// most: the protocol bounds a poll by the number of messages only.
	pollBytes    = 4 << 20
	maxPollBytes = 32 << 20
	maxPollCount = 1000
	// followPause is how long a follower waits after it found nothing.
	followPause = 200 * time.Millisecond
	// refreshPause is how often a follower looks for new partitions.
	refreshPause = 5 * time.Second
)

// message is a stored message as the commands see it.
type message struct {
	partition uint32
	offset    uint64
	id        [16]byte
	timestamp time.Time
	headers   []topic.Header
	payload   []byte // decompressed
	fault     error  // why headers and payload are not what was sent
}

func (r message) position() string { return fmt.Sprintf("%d/%d", r.partition, r.offset) }

// reader reads a whole topic, past all groups.
type reader struct {
	link          *link.Link
	stream, topic string
	limit         int // of a decompressed payload, in bytes
	cursors       []*cursor
}

// cursor is where the reader stands in a partition.
type cursor struct {
	partition uint32
	next      transport.Strategy
	end       uint64 // behind the last message that is wanted, while not following
	empty     bool   // there was none
	count     uint32 // for the next poll
	ahead     []message
}

// openReader connects and looks at the topic's partitions.
func (a *app) openReader(ctx context.Context, cluster config.Cluster, stream, name string, since transport.Strategy) (*reader, error) {
	l, err := link.New("cli", cluster.Iggy, link.WithLogger(a.logger()))
	if err != nil {
		return nil, err
	}
	if err := l.Start(ctx); err != nil {
		return nil, interruptedOr(ctx, err)
	}
	r := &reader{link: l, stream: stream, topic: name, limit: int(config.DefaultConsumer("any").MaxDecompressedBytes)}
	if err := r.refresh(ctx, since, false); err != nil {
		r.close(ctx)
		return nil, interruptedOr(ctx, err)
	}
	return r, nil
}

func (r *reader) close(ctx context.Context) { _ = r.link.Stop(context.WithoutCancel(ctx)) }

// refresh learns the partitions and where they end. New ones begin at since. When it was done
// before, a log that has become shorter begins anew.
func (r *reader) refresh(ctx context.Context, since transport.Strategy, again bool) error {
	var meta transport.Topic
	err := r.link.Do(ctx, func(ctx context.Context, conn transport.Conn) (err error) {
		meta, err = conn.Topic(ctx, r.stream, r.topic)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range meta.Partitions {
		i := slices.IndexFunc(r.cursors, func(c *cursor) bool { return c.partition == p.ID })
		if i < 0 {
			i = len(r.cursors)
			r.cursors = append(r.cursors, &cursor{partition: p.ID, next: since, count: 100})
		}
		c := r.cursors[i]
		c.end, c.empty = p.CurrentOffset+1, p.Messages == 0
		if again && c.next.Kind == transport.FromOffset && c.next.Value > c.end {
			// Somebody made the topic anew.
			c.next.Value = 0
		}
	}
	r.cursors = slices.DeleteFunc(r.cursors, func(c *cursor) bool {
		return !slices.ContainsFunc(meta.Partitions, func(p transport.Partition) bool { return p.ID == c.partition })
	})
	return nil
}

// toEnd gives all messages up to the end that the log had at the start, over all partitions in the
// order in which the server stored them.
func (r *reader) toEnd(ctx context.Context, take func(message) error) error {
	for {
		var oldest *cursor
		for _, c := range r.cursors {
			if len(c.ahead) == 0 && !c.done() {
				if err := r.fetch(ctx, c); err != nil {
					return interruptedOr(ctx, err)
				}
			}
			if len(c.ahead) > 0 && (oldest == nil || c.ahead[0].timestamp.Before(oldest.ahead[0].timestamp)) {
				oldest = c
			}
		}
		if oldest == nil {
			return nil
		}
		rec := oldest.ahead[0]
		oldest.ahead = oldest.ahead[1:]
		if err := take(rec); err != nil {
			return err
		}
		if err := interrupted(ctx); err != nil {
			return err
		}
	}
}

// done tells whether nothing is left to fetch up to the end.
func (c *cursor) done() bool {
	return c.empty || c.next.Kind == transport.FromOffset && c.next.Value >= c.end
}

// follow goes on behind toEnd, until ctx ends. A server that is away is waited for; told is called
// when it goes and when it comes back.
func (r *reader) follow(ctx context.Context, told func(error), take func(message) error) error {
	refreshed := time.Now()
	away := false
	for {
		var found []message
		err := error(nil)
		if time.Since(refreshed) > refreshPause {
			err = r.refresh(ctx, transport.Strategy{Kind: transport.FromOffset}, true)
			refreshed = time.Now()
		}
		for _, c := range r.cursors {
			if err != nil {
				break
			}
			// At the end at last; what came since is fetched from there.
			if c.next.Kind != transport.FromOffset {
				c.next = transport.Strategy{Kind: transport.FromOffset, Value: c.end}
				if c.empty {
					c.next.Value = 0
				}
			}
			c.end, c.empty = ^uint64(0), false
			err = r.fetch(ctx, c)
			found = append(found, c.ahead...)
			c.ahead = nil
		}
		if err != nil && interrupted(ctx) == nil && !iggyerr.IsRetryable(err) {
			return err
		}
		if away != (err != nil) && interrupted(ctx) == nil {
			away = err != nil
			told(err)
		}
		slices.SortStableFunc(found, func(a, b message) int { return a.timestamp.Compare(b.timestamp) })
		for _, rec := range found {
			if err := take(rec); err != nil {
				return err
			}
		}
		if len(found) > 0 && err == nil {
			continue
		}
		select {
		case <-time.After(followPause):
		case <-ctx.Done():
			return interruptedOr(ctx, context.Cause(ctx))
		}
	}
}

// fetch polls once.
func (r *reader) fetch(ctx context.Context, c *cursor) error {
	var polled *transport.Polled
	err := r.link.Do(ctx, func(ctx context.Context, conn transport.Conn) (err error) {
		polled, err = conn.Poll(ctx, transport.Poll{
			Consumer:  transport.Consumer{Stream: r.stream, Topic: r.topic, Name: consumerName},
			Partition: int64(c.partition), Strategy: c.next, Count: c.count, MaxBytes: maxPollBytes,
		})
		return err
	})
	if err != nil {
		return err
	}
	if len(polled.Messages) == 0 {
		if c.next.Kind != transport.FromOffset || c.end != ^uint64(0) {
			c.next = transport.Strategy{Kind: transport.FromOffset, Value: c.end}
		}
		return nil
	}
	size := 0
	for _, m := range polled.Messages {
		size += len(m.Payload) + len(m.Headers)
		if m.Offset < c.end {
			c.ahead = append(c.ahead, r.message(c.partition, m))
		}
	}
	c.next = transport.Strategy{Kind: transport.FromOffset, Value: polled.Messages[len(polled.Messages)-1].Offset + 1}
	c.count = uint32(min(max(pollBytes*len(polled.Messages)/max(size, 1), 1), maxPollCount))
	return nil
}

func (r *reader) message(partition uint32, m wire.Message) message {
	rec := message{
		partition: partition, offset: m.Offset, id: m.ID,
		timestamp: time.UnixMicro(int64(m.Timestamp)).UTC(), payload: m.Payload,
	}
	encoded := ""
	err := wire.RangeHeaders(m.Headers, func(key, value string) bool {
		rec.headers = append(rec.headers, topic.Header{Key: key, Value: value})
		if key == topic.HeaderContentEncoding {
			encoded = value
		}
		return true
	})
	payload, decodeErr := encoding.Decode(encoded, m.Payload, r.limit)
	if decodeErr == nil {
		rec.payload = payload
	}
	rec.fault = errors.Join(err, decodeErr)
	return rec
}

func decode[T any](codec topic.Codec[T], rec message) (T, error) {
	if rec.fault != nil {
		var none T
		return none, rec.fault
	}
	return codec.Decode(rec.payload)
}
