package consumer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// stressSize is how many messages go through the pipeline: CONSUMER_STRESS, or small. CONSUMER_SEED
// repeats the choices of a run.
func stressSize(small int) int {
	if n, err := strconv.Atoi(os.Getenv("CONSUMER_STRESS")); err == nil {
		return n
	}
	return small
}

func stressSeed() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("CONSUMER_SEED"), 10, 64); err == nil {
		return n
	}
	return uint64(time.Now().UnixNano())
}

// pipeline is a server with topics t0 to t3, and stages that forward messages from each to the next
// one.
type pipeline struct {
	t        *testing.T
	server   *iggytest.Server
	producer *producer.Producer
	stages   []*stage
	rand     *rand.Rand
	seed     uint64
}

// stage is one consumer group of the pipeline.
type stage struct {
	p      *pipeline
	number int
	cfg    config.Consumer
	handle func(ctx context.Context, m *consumer.Message[string]) error

	mu       sync.Mutex
	members  []*member
	lost     int // partitions that members lost
	handled  atomic.Int64
	overlaps violations
	// disturbedAt is when the server rebalanced the group without notice: when a member was cut off,
	// and when it joined again.
	disturbedAt atomic.Int64
	working     map[uint32]map[*work]bool
}

// member is a consumer behind a proxy of its own.
type member struct {
	*consumer.Consumer[string]
	proxy *iggytest.Proxy
	cut   atomic.Bool // its connections were cut, and it has not joined again
}

const pipelinePartitions = 8

func newPipeline(t *testing.T, stages int) *pipeline {
	p := &pipeline{t: t, server: iggytest.NewServer(t), seed: stressSeed()}
	p.rand = rand.New(rand.NewPCG(p.seed, 0))
	t.Logf("CONSUMER_SEED=%d", p.seed)
	for i := range stages {
		name := fmt.Sprint("t", i)
		p.server.CreateTopic("pipeline", name, pipelinePartitions)
		p.server.CreateGroup("pipeline", name, "g")
		p.server.CreateGroup("pipeline", name, "g.balance")
	}
	cfg := config.Default().Producer
	cfg.Retry.BaseBackoff, cfg.Retry.MaxBackoff = 5*time.Millisecond, 100*time.Millisecond
	out, err := producer.New(p.cluster(p.server.Address()), cfg)
	require.NoError(t, err)
	require.NoError(t, out.Start(t.Context()))
	t.Cleanup(func() { _ = out.Stop(context.Background()) })
	p.producer = out
	return p
}

func (p *pipeline) cluster(endpoint string) config.Iggy {
	cfg := config.Default().Iggy
	cfg.Endpoint = "tcp://" + endpoint
	cfg.ClientID, cfg.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	cfg.Reconnect.BaseBackoff, cfg.Reconnect.MaxBackoff = 10*time.Millisecond, 200*time.Millisecond
	return cfg
}

func (p *pipeline) addStage(cfg config.Consumer, handle func(context.Context, *consumer.Message[string]) error) *stage {
	s := &stage{p: p, number: len(p.stages), cfg: cfg, handle: handle, working: map[uint32]map[*work]bool{}}
	p.stages = append(p.stages, s)
	return s
}

// forward sends a message to the next topic, with its id.
func (p *pipeline) forward(ctx context.Context, stage int, m *consumer.Message[string]) error {
	_, err := p.producer.Send(ctx, producer.Message{
		Stream: "pipeline", Topic: fmt.Sprint("t", stage), Key: m.Key(), ID: m.ID(), Payload: []byte(m.Value),
	})
	return err
}

// join adds a member to the stage.
func (s *stage) join() {
	m := &member{proxy: iggytest.NewProxy(s.p.t, s.p.server.Embedded().Address())}
	c, err := consumer.New(s.p.cluster(m.proxy.Address()), s.cfg, texts("pipeline", fmt.Sprint("t", s.number)),
		consumer.WithName(fmt.Sprintf("stage%d", s.number)), consumer.WithLogger(logger(s.p.t)),
		consumer.OnLost(func(_ context.Context, ids []uint32) {
			s.mu.Lock()
			s.lost += len(ids)
			s.mu.Unlock()
		}))
	require.NoError(s.p.t, err)
	m.Consumer = c
	m.proxy.Inject(iggytest.Do(func(iggytest.Request) {
		if m.cut.Swap(false) {
			s.setDisturbed()
		}
	}).On(embedded.JoinGroup))
	require.NoError(s.p.t, c.Handle(func(ctx context.Context, msg *consumer.Message[string]) error {
		defer s.enter(ctx, m, msg.Partition())()
		s.handled.Add(1)
		return s.handle(ctx, msg)
	}))
	require.NoError(s.p.t, c.Start(context.Background()))
	s.mu.Lock()
	s.members = append(s.members, m)
	s.mu.Unlock()
}

// work is a call of the handler.
type work struct {
	member *member
	ctx    context.Context
	since  time.Time
}

// enter says that a member works on a partition. Other members must not do so at the same time, unless
// the server has just rebalanced without notice.
func (s *stage) enter(ctx context.Context, m *member, partition uint32) (leave func()) {
	const settling = 2 * time.Second
	s.mu.Lock()
	defer s.mu.Unlock()
	on := s.working[partition]
	if on == nil {
		on = map[*work]bool{}
		s.working[partition] = on
	}
	for other := range on {
		disturbed := time.Since(time.Unix(0, s.disturbedAt.Load()))
		if other.member != m && disturbed >= settling && ctx.Err() == nil {
			s.overlaps.add("stage %d: two members act on partition %d, %s after a disturbance; the other one for %s, its context: %v",
				s.number, partition, disturbed, time.Since(other.since), other.ctx.Err())
		}
	}
	w := &work{m, ctx, time.Now()}
	on[w] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(on, w)
	}
}

// pick takes a random member out of the stage; nil when fewer than keep would stay.
func (s *stage) pick(keep int) *member {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.members) <= keep {
		return nil
	}
	i := s.p.rand.IntN(len(s.members))
	m := s.members[i]
	s.members = append(s.members[:i:i], s.members[i+1:]...)
	return m
}

func (s *stage) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.members)
}

// leave stops a member cleanly.
func (s *stage) leave(m *member) {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	require.NoError(s.p.t, m.Stop(ctx))
}

// crash cuts a member's network and then stops the member, which can send nothing any more.
func (s *stage) crash(m *member) {
	s.setDisturbed()
	m.proxy.StopListening()
	m.proxy.CutConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_ = m.Stop(ctx) // it can't finish
}

func (s *stage) setDisturbed() { s.disturbedAt.Store(time.Now().UnixNano()) }

// injectFault disturbs the pipeline at random.
func (p *pipeline) injectFault() string {
	s := p.stages[p.rand.IntN(len(p.stages))]
	switch p.rand.IntN(6) {
	case 0:
		if s.size() < 5 {
			s.join()
			return fmt.Sprintf("stage %d: join", s.number)
		}
	case 1:
		if m := s.pick(2); m != nil {
			s.leave(m)
			return fmt.Sprintf("stage %d: leave", s.number)
		}
	case 2:
		if m := s.pick(2); m != nil {
			s.crash(m)
			s.join()
			return fmt.Sprintf("stage %d: crash", s.number)
		}
	case 3, 4:
		if m := s.pick(0); m != nil {
			s.setDisturbed()
			m.cut.Store(true)
			m.proxy.CutConnections()
			s.mu.Lock()
			s.members = append(s.members, m)
			s.mu.Unlock()
			return fmt.Sprintf("stage %d: cut one", s.number)
		}
	default:
		s.setDisturbed()
		require.NoError(p.t, p.server.Rebalance("pipeline", fmt.Sprint("t", s.number), "g"))
		return fmt.Sprintf("stage %d: rebalance", s.number)
	}
	return ""
}

func (p *pipeline) stop() {
	var all sync.WaitGroup
	for _, s := range p.stages {
		for m := s.pick(0); m != nil; m = s.pick(0) {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
				defer cancel()
				_ = m.Stop(ctx)
			})
		}
	}
	all.Wait()
}

// arrivals checks the output of the pipeline.
type arrivals struct {
	mu       sync.Mutex
	ids      map[[16]byte]bool
	next     map[string]int
	disorder []string
	doubled  int
	changed  chan struct{}
}

func (a *arrivals) add(m *consumer.Message[string]) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ids[m.ID()] {
		a.doubled++
		return
	}
	a.ids[m.ID()] = true
	key, text, _ := strings.Cut(m.Value, "/")
	n, _ := strconv.Atoi(text)
	if n != a.next[key] {
		a.disorder = append(a.disorder, fmt.Sprintf("%s after %d", m.Value, a.next[key]-1))
	}
	a.next[key] = n + 1
	if len(a.ids)%100 == 0 {
		close(a.changed)
		a.changed = make(chan struct{})
	}
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.ids)
}

func TestPipelineOfGroupsUnderFaults(t *testing.T) {
	t.Parallel()
	const keys = 100
	total := stressSize(2000) / keys * keys
	p := newPipeline(t, 3)
	cfg := fastConfig()
	cfg.MaxInFlight, cfg.CommitEvery = 64, 200
	out := &arrivals{ids: map[[16]byte]bool{}, next: map[string]int{}, changed: make(chan struct{})}
	for i := range 2 {
		p.addStage(cfg, func(ctx context.Context, m *consumer.Message[string]) error { return p.forward(ctx, i+1, m) })
	}
	p.addStage(cfg, func(_ context.Context, m *consumer.Message[string]) error {
		out.add(m)
		return nil
	})
	for _, s := range p.stages {
		for range 3 {
			s.join()
		}
	}
	defer p.stop()

	fed := make(chan error, 1)
	go func() {
		var messages []producer.Message
		for n := range total / keys {
			for k := range keys {
				var id [16]byte
				binary.BigEndian.PutUint64(id[8:], uint64(n*keys+k+1))
				messages = append(messages, producer.Message{
					Stream: "pipeline", Topic: "t0", Key: fmt.Sprint("k", k), ID: id, Payload: fmt.Appendf(nil, "k%d/%d", k, n),
				})
			}
			if len(messages) >= 1000 || n == total/keys-1 {
				if err := p.producer.SendAll(context.Background(), messages...); err != nil {
					fed <- err
					return
				}
				messages = nil
			}
		}
		fed <- nil
	}()

	begun := time.Now()
	limit := 2*testTimeout + time.Duration(total)*2*time.Millisecond
	disturbances := map[string]int{}
	for out.count() < total {
		require.Less(t, time.Since(begun), limit, "%d of %d messages arrived", out.count(), total)
		pause := 100 + p.rand.IntN(300)
		if total > 10000 {
			pause *= 4
		}
		<-time.After(time.Duration(pause) * time.Millisecond) // between two disturbances
		if out.count() < total*9/10 {
			disturbances[p.injectFault()]++
		}
	}
	require.NoError(t, <-fed)
	p.stop()

	out.mu.Lock()
	defer out.mu.Unlock()
	require.Len(t, out.ids, total)
	require.Empty(t, out.disorder)
	for k := range keys {
		require.Equal(t, total/keys, out.next[fmt.Sprint("k", k)])
	}
	lost, extra := 0, int64(0)
	for _, s := range p.stages {
		stored := len(p.server.Messages("pipeline", fmt.Sprint("t", s.number)))
		again := s.handled.Load() - int64(stored)
		s.mu.Lock()
		t.Logf("stage %d: %d messages stored, %d handled, %d of them again; %d partitions lost", s.number, stored, s.handled.Load(), again, s.lost)
		lost, extra = lost+s.lost, extra+again
		require.LessOrEqual(t, again, int64(s.lost+pipelinePartitions)*int64(cfg.MaxInFlight+cfg.CommitEvery))
		s.mu.Unlock()
		s.overlaps.none(t)
	}
	bound := lost * (cfg.MaxInFlight + cfg.CommitEvery)
	t.Logf("%d messages in %s, %d doubled at the end, %d handled again in all (bound %d by %d lost partitions); %v",
		total, time.Since(begun).Round(time.Millisecond), out.doubled, extra, bound, lost, disturbances)
}
