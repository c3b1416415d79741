package watch_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/watch"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

var (
	intervals = watch.Intervals{Min: ms, Max: 50 * ms}
	key       = watch.Key{Server: "server", Stream: "s", Topic: "t"}
)

// log is a topic with one partition, and counts the looks at it.
type log struct {
	mu       sync.Mutex
	messages uint64
	looks    int
}

func (l *log) add(messages uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages += messages
}

// looked returns the number of looks since the last call.
func (l *log) looked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.looks
	l.looks = 0
	return n
}

// reader reads a log over a connection of its own.
type reader struct {
	log    *log
	member *watch.Member
	stop   func()

	mu       sync.Mutex
	busy     bool          // it waits for nothing
	err      error         // of its looks
	stall    chan struct{} // its looks take until this is closed
	read     uint64
	looks    int
	refusals int
}

// join makes a reader wait for messages.
func join(t *testing.T, topics *watch.Topics, k watch.Key, l *log, i watch.Intervals) *reader {
	t.Helper()
	r := &reader{log: l}
	r.member = topics.Join(k, i, watch.Reader{Waiting: r.waiting, Look: r.look})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.member.Run(ctx)
	}()
	r.stop = func() {
		cancel()
		<-ended
	}
	return r
}

func (r *reader) waiting() watch.Compare {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy {
		return nil
	}
	return func(meta transport.Topic, refused error) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if refused != nil {
			r.refusals++
			return true
		}
		end := meta.Partitions[0].Messages
		more := end > r.read
		r.read = end
		return more
	}
}

func (r *reader) look() (transport.Topic, error) {
	r.mu.Lock()
	r.looks++
	err, stall := r.err, r.stall
	r.mu.Unlock()
	if stall != nil {
		<-stall
	}
	time.Sleep(100 * time.Microsecond)
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.log.looks++
	return transport.Topic{Partitions: []transport.Partition{{Messages: r.log.messages}}}, err
}

func (r *reader) set(change func(r *reader)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

// state returns how much was read, and how often this reader looked and was refused.
func (r *reader) state() (read uint64, looks, refusals int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read, r.looks, r.refusals
}

func bubble(t *testing.T, name string, test func(t *testing.T, topics *watch.Topics, l *log)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			topics := &watch.Topics{}
			test(t, topics, &log{})
			require.Zero(t, topics.Watched(), "all members have left")
		})
	})
}

func TestSharedLooks(t *testing.T) {
	t.Parallel()
	bubble(t, "one look in each interval serves all readers of a topic", func(t *testing.T, topics *watch.Topics, l *log) {
		var readers []*reader
		for range 64 {
			readers = append(readers, join(t, topics, key, l, intervals))
		}
		time.Sleep(10 * time.Second)
		l.looked()
		time.Sleep(10 * time.Second)
		require.InDelta(t, 200, l.looked(), 1)
		l.add(3)
		time.Sleep(51 * ms)
		for _, r := range readers {
			read, _, _ := r.state()
			require.Equal(t, uint64(3), read)
			r.stop()
		}
		l.looked()
		time.Sleep(time.Second)
		require.Zero(t, l.looked(), "nobody waits")
	})
	bubble(t, "other topics and servers have looks of their own", func(t *testing.T, topics *watch.Topics, l *log) {
		other, elsewhere := &log{}, &log{}
		readers := []*reader{
			join(t, topics, key, l, intervals),
			join(t, topics, watch.Key{Server: "server", Stream: "s", Topic: "other"}, other, intervals),
			join(t, topics, watch.Key{Server: "elsewhere", Stream: "s", Topic: "t"}, elsewhere, intervals),
		}
		other.add(5)
		time.Sleep(time.Second)
		for i, want := range []uint64{0, 5, 0} {
			read, looks, _ := readers[i].state()
			require.Equal(t, want, read)
			require.Positive(t, looks)
			readers[i].stop()
		}
	})
	bubble(t, "the others go on when a reader leaves", func(t *testing.T, topics *watch.Topics, l *log) {
		first, second := join(t, topics, key, l, intervals), join(t, topics, key, l, intervals)
		time.Sleep(time.Second)
		first.stop()
		_, before, _ := first.state()
		l.looked()
		l.add(1)
		time.Sleep(time.Second)
		require.Greater(t, l.looked(), 20)
		read, _, _ := second.state()
		require.Equal(t, uint64(1), read)
		read, after, _ := first.state()
		require.Zero(t, read)
		require.Equal(t, before, after)
		second.stop()
	})
	bubble(t, "a lost connection costs its own looks", func(t *testing.T, topics *watch.Topics, l *log) {
		lost, well := join(t, topics, key, l, intervals), join(t, topics, key, l, intervals)
		lost.set(func(r *reader) { r.err = errors.New("connection lost") })
		time.Sleep(5 * time.Second)
		l.add(1)
		time.Sleep(101 * ms)
		read, _, _ := well.state()
		require.Equal(t, uint64(1), read)
		read, _, _ = lost.state()
		require.Equal(t, uint64(1), read, "the look of another reader serves it")
		lost.stop()
		well.stop()
	})
	bubble(t, "a stalled look does not hold up the others", func(t *testing.T, topics *watch.Topics, l *log) {
		stalled, well := join(t, topics, key, l, intervals), join(t, topics, key, l, intervals)
		answer := make(chan struct{})
		stalled.set(func(r *reader) { r.stall = answer })
		time.Sleep(5 * time.Second)
		_, before, _ := stalled.state()
		l.looked()
		time.Sleep(10 * time.Second)
		require.InDelta(t, 200, l.looked(), 1, "one look in each interval")
		_, after, _ := stalled.state()
		require.Equal(t, before, after, "one look of a reader is in flight at most")
		l.add(1)
		time.Sleep(51 * ms)
		read, _, _ := well.state()
		require.Equal(t, uint64(1), read)
		close(answer)
		stalled.stop()
		well.stop()
	})
	bubble(t, "a stalled look does not hold up a reader that joins later", func(t *testing.T, topics *watch.Topics, l *log) {
		stalled := join(t, topics, key, l, watch.Intervals{Min: ms, Max: time.Second})
		answer := make(chan struct{})
		stalled.set(func(r *reader) { r.stall = answer })
		time.Sleep(5 * time.Second)
		well := join(t, topics, key, l, intervals)
		l.add(1)
		time.Sleep(51 * ms)
		read, _, _ := well.state()
		require.Equal(t, uint64(1), read)
		close(answer)
		stalled.stop()
		well.stop()
	})
	bubble(t, "the end of stalled looks does not postpone those of the others", func(t *testing.T, topics *watch.Topics, l *log) {
		slow := watch.Intervals{Min: ms, Max: 200 * ms}
		well := join(t, topics, key, l, slow)
		var stalled []*reader
		for range 20 {
			r := join(t, topics, key, l, slow)
			r.set(func(r *reader) { r.err, r.stall = errors.New("connection lost"), make(chan struct{}) })
			stalled = append(stalled, r)
		}
		time.Sleep(10 * time.Second)
		l.add(1)
		ended := 0
		for _, r := range stalled {
			close(r.stall)
			r.stop()
			time.Sleep(60 * ms)
			if read, _, _ := well.state(); read == 0 {
				ended++
			}
		}
		require.LessOrEqual(t, ended, 4, "the message was read within 240 ms")
		well.stop()
	})
	bubble(t, "a look that takes longer than the interval is the only one of a single reader", func(t *testing.T, topics *watch.Topics, l *log) {
		r := join(t, topics, key, l, intervals)
		answer := make(chan struct{})
		r.set(func(r *reader) { r.stall = answer })
		time.Sleep(time.Second)
		_, before, _ := r.state()
		r.member.MessagesRead()
		time.Sleep(time.Minute)
		_, after, _ := r.state()
		require.Equal(t, before, after)
		close(answer)
		r.stop()
	})
	bubble(t, "a refusal is for all readers, and does not raise the rate", func(t *testing.T, topics *watch.Topics, l *log) {
		first, second := join(t, topics, key, l, intervals), join(t, topics, key, l, intervals)
		refused := func(r *reader) { r.err = &iggyerr.StatusError{Op: "read topic", Status: iggyerr.StatusUnauthorized} }
		first.set(refused)
		second.set(refused)
		time.Sleep(5 * time.Second)
		l.looked()
		_, _, before := first.state()
		time.Sleep(10 * time.Second)
		require.InDelta(t, 200, l.looked(), 1)
		_, _, one := first.state()
		_, _, other := second.state()
		require.InDelta(t, 200, one-before, 1)
		require.Equal(t, one, other)
		first.stop()
		second.stop()
	})
	bubble(t, "nothing is asked while nobody waits for messages", func(t *testing.T, topics *watch.Topics, l *log) {
		r := join(t, topics, key, l, intervals)
		r.set(func(r *reader) { r.busy = true })
		time.Sleep(time.Minute)
		require.Zero(t, l.looked())
		r.set(func(r *reader) { r.busy = false })
		l.add(1)
		time.Sleep(51 * ms)
		read, _, _ := r.state()
		require.Equal(t, uint64(1), read)
		r.stop()
	})
	bubble(t, "the topic is looked at soon after messages were read and after a reader has joined", func(t *testing.T, topics *watch.Topics, l *log) {
		r := join(t, topics, key, l, intervals)
		time.Sleep(10 * time.Second)
		l.looked()
		r.member.MessagesRead()
		time.Sleep(12 * ms)
		require.Equal(t, 4, l.looked(), "after 1, 2, 4 and 8 ms, and a little more")
		time.Sleep(10 * time.Second)
		l.looked()
		second := join(t, topics, key, l, intervals)
		time.Sleep(12 * ms)
		require.Equal(t, 4, l.looked())
		r.stop()
		second.stop()
	})
	bubble(t, "the lowest intervals of the readers apply", func(t *testing.T, topics *watch.Topics, l *log) {
		r := join(t, topics, key, l, watch.Intervals{Min: ms, Max: time.Second})
		time.Sleep(10 * time.Second)
		l.looked()
		time.Sleep(10 * time.Second)
		require.InDelta(t, 10, l.looked(), 1)
		second := join(t, topics, key, l, intervals)
		time.Sleep(10 * time.Second)
		l.looked()
		time.Sleep(10 * time.Second)
		require.InDelta(t, 200, l.looked(), 1)
		second.stop()
		time.Sleep(10 * time.Second)
		l.looked()
		time.Sleep(10 * time.Second)
		require.InDelta(t, 10, l.looked(), 1)
		r.stop()
	})
	bubble(t, "messages that come regularly are noticed sooner than those after a long time", func(t *testing.T, topics *watch.Topics, l *log) {
		r := join(t, topics, key, l, intervals)
		waited := func() time.Duration {
			before, _, _ := r.state()
			l.add(1)
			published := time.Now()
			for read := before; read == before; read, _, _ = r.state() {
				time.Sleep(100 * time.Microsecond)
			}
			return time.Since(published)
		}
		time.Sleep(10 * time.Second)
		var all time.Duration
		for i := range 60 {
			time.Sleep(400*ms + time.Duration(i*37%200)*ms)
			if d := waited(); i >= 8 {
				require.Less(t, d, 18*ms)
				all += d
			}
		}
		require.Less(t, all/52, 11*ms)
		r.stop()
	})
}
