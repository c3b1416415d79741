package deliver_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/deliver"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/park"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding"
	"github.com/fetchbox/fetchbox-iggy/internal/encoding/encodingtest"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestMain(m *testing.M) {
	encodingtest.UseZstd(1<<20, config.DefaultConsumer("").MaxDecompressedBytes)
	goleak.VerifyTestMain(m)
}

// value is the typed side of a message in these tests.
type value struct{ text string }

// entry is a message with its value, in one allocation for many.
type entry struct {
	m deliver.Message
	v value
}

// app decodes texts "key/anything". A text that begins with "!" can't be decoded.
type app struct {
	hook    func(text string) // called for each text that is decoded
	limit   int
	chunks  atomic.Int64 // calls of Decode
	letters func(ctx context.Context, m *deliver.Message, cause error, code string, attempts int) error
	park    func(m *deliver.Message, due time.Time, attempts int) error
}

func (a *app) decode(m *deliver.Message, v *value) error {
	payload := m.Raw.Payload
	if len(m.Raw.Headers) > 0 {
		name := ""
		_ = wire.RangeHeaders(m.Raw.Headers, func(k, v string) bool {
			if k == topic.HeaderContentEncoding {
				name = v
			}
			return true
		})
		var err error
		if payload, err = encoding.Decode(name, payload, a.limit); err != nil {
			return err
		}
		m.Decompressed = len(payload)
	}
	v.text = string(payload)
	if a.hook != nil {
		a.hook(v.text)
	}
	if strings.HasPrefix(v.text, "!") {
		return errors.New("malformed text")
	}
	m.Key, _, _ = strings.Cut(v.text, "/")
	return nil
}

func (a *app) Decode(_ *deliver.Queue, raw []wire.Message, dst []*deliver.Message) []*deliver.Message {
	a.chunks.Add(1)
	entries := make([]entry, len(raw))
	for i := range raw {
		e := &entries[i]
		e.m.Raw, e.m.Value = &raw[i], &e.v
		if parked, own, ok := park.Parse(raw[i].Headers); ok {
			before := raw[i]
			before.Headers = own
			e.m.Raw, e.m.Parked = &before, &parked
		}
		e.m.Err = a.decode(&e.m, &e.v)
		dst = append(dst, &e.m)
	}
	return dst
}

func (a *app) Undecodable(_ *deliver.Queue, raw *wire.Message, cause error) *deliver.Message {
	e := &entry{}
	e.m.Raw, e.m.Value, e.m.Err = raw, &e.v, cause
	return &e.m
}

func (a *app) Copy(m *deliver.Message, keep bool) *deliver.Message {
	e := &entry{}
	if keep {
		e.v = *m.Value.(*value)
		e.m.Value = &e.v
	}
	return &e.m
}

func (a *app) DecodeAgain(m *deliver.Message) error {
	v, key := &value{}, m.Key
	if err := a.decode(m, v); err != nil {
		return err
	}
	m.Value, m.Key = v, key
	return nil
}

func (a *app) HasDeadLetters() bool { return a.letters != nil }

func (a *app) DeadLetter(ctx context.Context, m *deliver.Message, cause error, code string, attempts int) error {
	return a.letters(ctx, m, cause, code, attempts)
}

func (a *app) Park(_ context.Context, m *deliver.Message, due time.Time, attempts int) error {
	return a.park(m, due, attempts)
}

func (a *app) OnUnreachable(m *deliver.Message, f func()) {
	runtime.AddCleanup(m.Value.(*value), func(f func()) { f() }, f)
}

func text(m *deliver.Message) string { return m.Value.(*value).text }

// progress is the commit side of a partition, which commits when it is told to.
type progress struct {
	mu        sync.Mutex
	prefix    commit.Prefix
	advances  int
	requests  int
	requested commit.Prefix // when the last commit was requested
	committed atomic.Uint64
}

func (p *progress) Advance(prefix commit.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prefix = prefix
	p.advances++
}
func (p *progress) Committed() uint64 { return p.committed.Load() }
func (p *progress) Request() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	p.requested = p.prefix
}

func (p *progress) acknowledged() commit.Prefix {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.prefix
}

// owner notes what a queue tells.
type owner struct {
	mu      sync.Mutex
	drained int
	more    int
	notes   []error
	entries []deliver.Entry
}

func (o *owner) Drained() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drained++
}

func (o *owner) BatchAdmitted() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.more++
}

func (o *owner) ReportError(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.notes = append(o.notes, err)
}

func (o *owner) Log(e deliver.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries = append(o.entries, e)
}

func (o *owner) logged() []deliver.Entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.entries)
}

func (o *owner) noted() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.notes)
}

func (o *owner) drainedTimes() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.drained
}

func (o *owner) texts() (texts []string) {
	for _, e := range o.logged() {
		texts = append(texts, e.Text)
	}
	return texts
}

// partition is one partition of a pool, with its log.
type partition struct {
	*deliver.Queue
	p        *deliver.Partition
	progress *progress
	owner    *owner
	next     uint64
}

// bench is a pool with partitions.
type setup struct {
	t    testing.TB
	app  *app
	pool *deliver.Pool
	all  []*partition
	// leave says when messages leave a partition of parked messages; nil for other partitions.
	leave func(*wire.Message) time.Time
}

func settings() config.Consumer {
	cfg := config.DefaultConsumer("g")
	cfg.Retry.BaseBackoff, cfg.Retry.MaxBackoff, cfg.Retry.Jitter = 100*time.Millisecond, time.Second, 0
	return cfg
}

func newSetup(t testing.TB, cfg config.Consumer) *setup { return newParkingSetup(t, cfg, 0) }

// newParkingSetup is newSetup for messages that are parked when they wait longer than parkAfter.
func newParkingSetup(t testing.TB, cfg config.Consumer, parkAfter time.Duration) *setup {
	a := &app{limit: int(cfg.MaxDecompressedBytes)}
	s := &setup{t: t, app: a, pool: deliver.NewPool(deliver.PoolOptions{Config: cfg, App: a, Commits: true, ParkAfter: parkAfter})}
	t.Cleanup(func() {
		s.pool.Close()
		for _, p := range s.all {
			p.Lose(errLost)
		}
		_ = s.pool.Wait(context.Background())
	})
	return s
}

var errLost = errors.New("lost")

// assign begins assignments of n partitions, after the handler is set.
func (s *setup) assign(n int) []*partition {
	for range n {
		s.all = append(s.all, s.begin(s.pool.NewPartition("t", uint32(len(s.all)))))
	}
	s.share()
	return s.all
}

func (s *setup) begin(p *deliver.Partition) *partition {
	a := &partition{p: p, progress: &progress{}, owner: &owner{}}
	a.Queue = p.NewQueue(context.Background(), deliver.QueueOptions{Owner: a.owner, Progress: a.progress, Leave: s.leave})
	return a
}

// again begins the next assignment of a partition that was lost.
func (s *setup) again(p *partition) *partition {
	a := s.begin(p.p)
	s.all[slices.Index(s.all, p)] = a
	s.share()
	return a
}

func (s *setup) share() {
	var queues []*deliver.Queue
	for _, p := range s.all {
		if p.State().Phase != deliver.PhaseLost {
			queues = append(queues, p.Queue)
		}
	}
	s.pool.SetQueues(queues...)
}

// offer adds texts to the log of a partition, as one batch.
func (p *partition) offer(texts ...string) {
	p.Offer(deliver.NewBatch(p.messages(texts...), 0, nil, nil))
}

func (p *partition) messages(texts ...string) []wire.Message {
	messages := make([]wire.Message, len(texts))
	for i, text := range texts {
		m := &messages[i]
		m.Offset, m.Timestamp, m.Payload = p.next, p.next+1000, []byte(text)
		binary.BigEndian.PutUint32(m.ID[:], p.ID()+1)
		binary.BigEndian.PutUint64(m.ID[8:], p.next)
		p.next++
	}
	return messages
}

// commit commits what is acknowledged.
func (p *partition) commit() {
	p.progress.committed.Store(p.progress.acknowledged().Seq)
	p.CommitAdvanced()
}

// numbered makes texts "key/0" to "key/n-1".
func numbered(key string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s/%d", key, i)
	}
	return texts
}

// distinct makes texts with n different keys.
func distinct(prefix string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s%d/0", prefix, i)
	}
	return texts
}

// seen collects texts.
type seen struct {
	mu    sync.Mutex
	texts []string
}

func (s *seen) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = append(s.texts, text)
}

func (s *seen) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.texts)
}

// bubble runs a test in a bubble, in which time is the test's.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// pass lets time pass in a bubble, and all that happens then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
