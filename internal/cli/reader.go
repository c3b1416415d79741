package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

const (
	// statusInterval is how often a reader looks at the status of its consumer.
	statusInterval = 100 * time.Millisecond
	// refreshInterval is how often a reader that waits for messages reads the ends of the log
	// again.
	refreshInterval = time.Second
	// mergeDelay is how long a follower waits for messages of other partitions, to print them in
	// order.
	mergeDelay = 10 * time.Millisecond
)

// readOptions are what a reader reads.
type readOptions struct {
	start      startPosition
	group      string // if set, each partition begins behind the offset that the group has committed
	partitions []uint // none means all
}

// reader reads partitions of a topic, without joining a consumer group and without storing offsets.
type reader struct {
	consumer *consumer.Consumer[topic.RawMessage]
	admin    *admin.Admin
	topic    topicRef
	start    startPosition
	starts   map[uint32]startPosition // of single partitions, in place of start
	chosen   []uint32                 // partitions; none means all
	queues   []*partitionQueue

	incoming chan message  // from receiveMessages
	closed   chan struct{} // ends it
	stopped  chan struct{} // it has returned; nil before it starts

	maxIdle     time.Duration // how long readToEnd waits for a message
	lastMessage time.Time     // when the last one came
	lastRefresh time.Time
	lastErrorAt time.Time // of the consumer's last error that is not worth a retry
}

// openReader connects, and learns where the partitions end now.
func (a *app) openReader(ctx context.Context, cluster config.Cluster, t topicRef, o readOptions) (*reader, error) {
	r := &reader{
		topic: t, start: o.start, starts: map[uint32]startPosition{}, incoming: make(chan message, 100), closed: make(chan struct{}),
		maxIdle: cluster.Iggy.StartTimeout + cluster.Iggy.RequestTimeout,
	}
	var err error
	if r.admin, err = a.newAdmin(cluster); err != nil {
		return nil, err
	}
	if err = r.findStarts(ctx, o); err == nil {
		err = r.startConsumer(ctx, a, cluster)
	}
	if err == nil {
		err = r.readEnds(ctx)
	}
	if err != nil {
		r.close(ctx)
		return nil, interruptedOr(ctx, err)
	}
	return r, nil
}

// findStarts checks the chosen partitions, and finds where the group stands.
func (r *reader) findStarts(ctx context.Context, o readOptions) error {
	if o.group != "" {
		lag, err := r.admin.Lag(ctx, admin.Group{Stream: r.topic.stream, Topic: r.topic.name, Name: o.group})
		if err != nil {
			return err
		}
		for _, p := range lag.Partitions {
			if p.Stored {
				r.starts[p.ID] = startPosition{offset: p.Committed + 1}
			}
		}
	}
	if len(o.partitions) == 0 {
		return nil
	}
	_, partitions, err := r.admin.Topic(ctx, r.topic.stream, r.topic.name)
	if err != nil {
		return err
	}
	existing := make([]uint32, len(partitions))
	for i, p := range partitions {
		existing[i] = p.ID
	}
	r.chosen, err = parsePartitions(o.partitions, existing)
	return err
}

func (r *reader) startConsumer(ctx context.Context, a *app, cluster config.Cluster) error {
	cfg := config.DefaultConsumer("")
	cfg.BatchSize, cfg.MaxInFlight = 1000, 10_000
	cfg.PollIntervalMax = 200 * time.Millisecond // a follower does not need more
	standalone := consumer.Standalone{Partitions: r.chosen, Start: r.start.position(), Starts: map[uint32]consumer.Position{}}
	for partition, start := range r.starts {
		standalone.Starts[partition] = start.position()
	}
	c, err := consumer.New(cluster.Iggy, cfg, topic.New(r.topic.stream, r.topic.name, rawCodec{}), consumer.WithName("cli"),
		consumer.WithLogger(a.logger()), consumer.WithStandalone(standalone))
	if err != nil {
		return err
	}
	r.consumer = c
	return c.Start(ctx)
}

func (r *reader) close(ctx context.Context) {
	close(r.closed)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	if r.consumer != nil {
		_ = r.consumer.Stop(stopping) // nothing is committed, so nothing is lost
	}
	if r.stopped != nil {
		<-r.stopped
	}
	_ = r.admin.Close()
}

// readEnds learns the partitions and where they end. Those without a message between the start and
// their end have the end 0.
func (r *reader) readEnds(ctx context.Context) error {
	_, partitions, err := r.admin.Topic(ctx, r.topic.stream, r.topic.name)
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if len(r.chosen) > 0 && !slices.Contains(r.chosen, p.ID) {
			continue
		}
		start, ok := r.starts[p.ID]
		if !ok {
			start = r.start
		}
		q := r.queue(p.ID)
		if p.Messages == 0 || start.end || start.offset > p.Current {
			continue
		}
		if !start.time.IsZero() {
			first, found, err := r.admin.OffsetAt(ctx, r.topic.stream, r.topic.name, p.ID, start.time)
			if err != nil {
				return err
			}
			if !found || first > p.Current {
				continue
			}
		}
		q.end = p.Current + 1
	}
	r.lastRefresh = time.Now()
	return nil
}

// refreshEnds moves the ends of the partitions back whose last messages were deleted meanwhile.
func (r *reader) refreshEnds(ctx context.Context) error {
	r.lastRefresh = time.Now()
	_, partitions, err := r.admin.Topic(ctx, r.topic.stream, r.topic.name)
	if err != nil {
		return err
	}
	ends := map[uint32]uint64{}
	for _, p := range partitions {
		first, found, err := r.admin.OffsetAt(ctx, r.topic.stream, r.topic.name, p.ID, time.Unix(0, 0))
		if err != nil {
			return err
		}
		if q := r.queue(p.ID); found && first < q.end {
			ends[p.ID] = p.Current + 1
		}
	}
	for _, q := range r.queues {
		q.end = min(q.end, ends[q.partition])
	}
	return nil
}

func (r *reader) queue(partition uint32) *partitionQueue {
	for _, q := range r.queues {
		if q.partition == partition {
			return q
		}
	}
	q := &partitionQueue{partition: partition}
	r.queues = append(r.queues, q)
	return q
}

// readToEnd calls fn for all messages up to the end that the log had when the reader was opened, of
// all partitions in the order in which the server stored them.
func (r *reader) readToEnd(ctx context.Context, fn func(message) error) error {
	r.lastMessage = time.Now()
	for {
		oldest, complete := r.oldest()
		switch {
		case oldest != nil:
			m := oldest.pop()
			r.setPaused(oldest)
			if err := fn(m); err != nil {
				return err
			}
			if err := interrupted(ctx); err != nil {
				return err
			}
		case complete:
			return nil
		default:
			if err := r.receive(ctx, 0, r.checkProgress); err != nil {
				return err
			}
		}
	}
}

// oldest is the queue with the oldest message before the ends, nil while a partition that is not
// read to its end has no message. complete is true when all partitions are read.
func (r *reader) oldest() (oldest *partitionQueue, complete bool) {
	complete = true
	for _, q := range r.queues {
		switch {
		case q.hasMessage():
			if oldest == nil || q.timestamp().Before(oldest.timestamp()) {
				oldest = q
			}
		case q.next < q.end:
			complete = false
		}
	}
	if !complete {
		return nil, false
	}
	return oldest, oldest == nil
}

// follow calls fn for the messages after the end, until ctx ends. It waits for a server that is
// away: report is called with the error when the connection is lost, and with nil when it is back.
func (r *reader) follow(ctx context.Context, report func(error), fn func(message) error) error {
	connected := true
	check := func(context.Context) error {
		if err := r.permanentError(); err != nil {
			return err
		}
		err := r.connectionError()
		if err != nil && !iggyerr.IsRetryable(err) {
			return err
		}
		if connected != (err == nil) {
			connected = err == nil
			report(err)
		}
		return nil
	}
	for {
		var messages []message
		for _, q := range r.queues {
			messages = append(messages, q.clear()...)
			r.setPaused(q)
		}
		sortByTime(messages)
		for _, m := range messages {
			if err := fn(m); err != nil {
				return err
			}
		}
		if err := r.receive(ctx, mergeDelay, check); err != nil {
			return err
		}
	}
}

// receive waits for a message, and queues it with those that come within delay. It calls check when
// none comes.
func (r *reader) receive(ctx context.Context, delay time.Duration, check func(context.Context) error) error {
	if r.stopped == nil {
		r.stopped = make(chan struct{})
		go r.receiveMessages()
	}
	timer := time.NewTimer(statusInterval)
	defer timer.Stop()
	for received := range maxQueuedMessages {
		select {
		case m := <-r.incoming:
			q := r.queue(m.Partition)
			q.add(m)
			r.setPaused(q)
			if received == 0 {
				r.lastMessage, r.lastErrorAt = time.Now(), time.Time{}
				timer.Reset(delay)
			}
		case <-timer.C:
			if received > 0 {
				return nil
			}
			return interruptedOr(ctx, check(ctx))
		case <-ctx.Done():
			return interruptedOr(ctx, context.Cause(ctx))
		}
	}
	return nil
}

// setPaused pauses the delivery of a partition while its queue is full.
func (r *reader) setPaused(q *partitionQueue) {
	switch {
	case !q.paused && q.isFull():
		q.paused = true
		r.consumer.Pause(q.partition)
	case q.paused && len(q.messages) <= maxQueuedMessages/2 && q.bytes <= maxQueuedBytes/2:
		q.paused = false
		r.consumer.Resume(q.partition)
	}
}

// receiveMessages passes the messages of the consumer on until the reader is closed.
func (r *reader) receiveMessages() {
	defer close(r.stopped)
	for m, err := range r.consumer.Messages(context.Background()) {
		if err != nil {
			return
		}
		m.Ack()
		select {
		case r.incoming <- newMessage(m.Value):
		case <-r.closed:
			return
		}
	}
}

// checkProgress fails when no message is to be expected. It finds out when messages were deleted
// that readToEnd waits for.
func (r *reader) checkProgress(ctx context.Context) error {
	if err := r.permanentError(); err != nil {
		return err
	}
	idle := time.Since(r.lastMessage)
	if idle > r.maxIdle {
		err := r.connectionError()
		if err == nil {
			err = fmt.Errorf("%s: no message for %s", r.topic, idle.Round(time.Second))
		}
		return err
	}
	if r.connectionError() == nil && idle > refreshInterval && time.Since(r.lastRefresh) > refreshInterval {
		return r.refreshEnds(ctx)
	}
	return nil
}

// permanentError is an error for which the consumer reads no more: it stopped a partition, or it
// got an error that is not worth a retry again after a retry.
func (r *reader) permanentError() error {
	status := r.consumer.Status()
	for _, p := range status.Partitions {
		if p.Stopped != nil {
			return p.Stopped
		}
	}
	if !status.LastErrorAt.After(r.lastMessage) || iggyerr.IsRetryable(status.LastError) {
		return nil
	}
	repeated := !r.lastErrorAt.IsZero() && status.LastErrorAt.After(r.lastErrorAt)
	r.lastErrorAt = status.LastErrorAt
	if !repeated {
		return nil
	}
	return status.LastError
}

// connectionError is why there is no connection, nil when there is one.
func (r *reader) connectionError() error {
	if r.consumer.Status().Connected {
		return nil
	}
	if err := r.consumer.Check(context.Background()); err != nil && errors.Is(err, iggyerr.ErrNotConnected) {
		return err
	}
	return nil // connected meanwhile
}
