package fxiggy_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// The variables of a process of a chain, which is this test binary.
const (
	chainProcess = "FXIGGY_TEST_STAGE"
	chainOrder   = "FXIGGY_TEST_ORDER"
)

// chainTopic is the topic before a stage of a chain.
func chainTopic(stream string, stage int) topic.Topic[[]byte] {
	return topic.New(stream, "stage"+strconv.Itoa(stage), topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{Partitions: 2}))
}

// chainStages is the number of stages of a chain.
const chainStages = 3

// relayed is the handler of a stage.
func relayed(p *bytesPublisher) func(context.Context, *bytesMessage) error {
	return func(ctx context.Context, m *bytesMessage) error {
		time.Sleep(5 * time.Millisecond) // the handler's work
		return errOf(p.Publish(ctx, m.Value))
	}
}

// relayLoop is a loop that does the same as relayed.
func relayLoop(c *bytesConsumer, publisher func() *bytesPublisher) func(context.Context) error {
	return func(ctx context.Context) error {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := relayed(publisher())(m.Context(), m); err != nil {
				m.Nack(err)
			}
		}
		return nil
	}
}

// chainOrders are the orders in which a stage is built.
var chainOrders = map[string]func() fx.Option{
	"consumer before publisher": func() fx.Option {
		return fx.Invoke(func(c *bytesConsumer, p *bytesPublisher) error { return c.Handle(relayed(p)) })
	},
	"publisher before consumer": func() fx.Option {
		return fx.Invoke(func(p *bytesPublisher, c *bytesConsumer) error { return c.Handle(relayed(p)) })
	},
	"batch handler": func() fx.Option {
		return fx.Invoke(func(c *bytesConsumer, p *bytesPublisher) error {
			return c.HandleBatch(func(ctx context.Context, batch []*bytesMessage) error {
				for _, m := range batch {
					if err := relayed(p)(ctx, m); err != nil {
						return err
					}
					m.Ack()
				}
				return nil
			})
		})
	},
	"handler set in a constructor": func() fx.Option {
		return fx.Options(fx.Provide(func(c *bytesConsumer, p *bytesPublisher) (*relay, error) {
			return &relay{p}, c.Handle(relayed(p))
		}), fx.Invoke(func(*relay) {}))
	},
	"publisher built after the handler was set": func() fx.Option {
		r := &relay{}
		return fx.Invoke(func(c *bytesConsumer) error {
			return c.Handle(func(ctx context.Context, m *bytesMessage) error { return relayed(r.pub)(ctx, m) })
		}, func(p *bytesPublisher) { r.pub = p })
	},
	"handler set in a hook": func() fx.Option {
		return fx.Invoke(func(lc fx.Lifecycle, c *bytesConsumer, p *bytesPublisher) {
			lc.Append(fx.Hook{OnStart: func(context.Context) error { return c.Handle(relayed(p)) }})
		})
	},
	"background loop, consumer before publisher": func() fx.Option {
		return fx.Invoke(func(c *bytesConsumer, bg *fxiggy.Background, p *bytesPublisher) error {
			return bg.Go("relay", relayLoop(c, func() *bytesPublisher { return p }))
		})
	},
	"background loop, publisher built after it was added": func() fx.Option {
		r := &relay{}
		return fx.Invoke(func(c *bytesConsumer, bg *fxiggy.Background) error {
			return bg.Go("relay", relayLoop(c, func() *bytesPublisher { return r.pub }))
		}, func(p *bytesPublisher) { r.pub = p })
	},
}

// runChain runs a stage, which publishes each message to the next one, until a signal ends it. A
// message that fails once is lost.
func runChain() {
	stage, err := strconv.Atoi(os.Getenv(chainProcess))
	if err != nil {
		panic(err)
	}
	log := processLog()
	once := config.DefaultConsumer("chain")
	once.Retry.MaxDeliveries = 1
	stream := os.Getenv("FXIGGY_TEST_STREAM")
	runUntilSignal(fx.New(quiet, fx.Supply(log), fxiggy.Module, configured(os.Getenv("FXIGGY_TEST_YAML")),
		fxiggy.Consume(chainTopic(stream, stage), "in", fxiggy.Defaults(once)), fxiggy.Publish(chainTopic(stream, stage+1)),
		chainOrders[os.Getenv(chainOrder)]()), log, func() { fmt.Println("started") })
}

// stageProcess is a running process of a stage.
type stageProcess struct {
	cmd   *exec.Cmd
	order string
	log   bytes.Buffer
}

func startStage(t *testing.T, yaml, stream string, stage int, order string) *stageProcess {
	t.Helper()
	p := &stageProcess{cmd: exec.Command(os.Args[0]), order: order} //nolint:gosec // this binary
	p.cmd.Env = append(os.Environ(), chainProcess+"="+strconv.Itoa(stage), chainOrder+"="+order, "FXIGGY_TEST_STREAM="+stream, "FXIGGY_TEST_YAML="+yaml)
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil { // the test failed
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
			t.Logf("stage %d, %s:\n%s", stage, order, &p.log)
		}
	})
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "stage %d, %s, did not start:\n%s", stage, order, &p.log)
	return p
}

// stop ends the process cleanly.
func (p *stageProcess) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait(), "%s:\n%s", p.order, &p.log)
	p.requireNothingFailed(t)
}

// kill ends the process at once.
func (p *stageProcess) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
	p.requireNothingFailed(t)
}

// pause suspends the process for a while.
func (p *stageProcess) pause(t *testing.T, d time.Duration) {
	t.Helper()
	require.NoError(t, suspend(p.cmd.Process))
	time.Sleep(d)
	require.NoError(t, resume(p.cmd.Process))
}

func (p *stageProcess) requireNothingFailed(t *testing.T) {
	t.Helper()
	require.NotContains(t, p.log.String(), "client closed", p.order)
	require.NotContains(t, p.log.String(), "ERROR", "%s: a message that fails for good is an error", p.order)
}

// chainCampaign is how long the processes of a chain are disturbed, if that is set: at random, with
// two processes in each stage.
const chainCampaign = "FXIGGY_TEST_CHAIN"

// Processes of a chain are stopped, killed and paused while messages go through it.
func TestChainOfProcessesLosesNothing(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		c := &chain{yaml: yaml(srv), stream: stream(), ends: newArrivals(), done: map[string]int{}}
		a := newAdmin(t, c.yaml)
		t.Cleanup(func() { require.NoError(t, a.DeleteStream(context.Background(), c.stream)) })
		var pub *bytesPublisher
		start(t, configured(c.yaml), fxiggy.Publish(chainTopic(c.stream, 0)), fx.Populate(&pub),
			fxiggy.Consume(chainTopic(c.stream, chainStages), "end"),
			fx.Invoke(func(end *bytesConsumer) error { return end.Handle(c.ends.handle) }))
		length := os.Getenv(chainCampaign)
		members := 1
		if length != "" {
			members = 2
		}
		for i := range chainStages * members {
			c.members = append(c.members, c.newMember(t, i%chainStages, i))
		}
		disturbed := make(chan struct{})
		published := make(chan int, 1)
		go func() { published <- c.publish(t, pub, disturbed) }()
		if length == "" {
			c.disturbInTurn(t)
		} else {
			limit, err := time.ParseDuration(length)
			require.NoError(t, err, chainCampaign)
			c.disturbAtRandom(t, limit)
		}
		close(disturbed)
		count := <-published
		lost := c.ends.waitFor(count)
		for _, m := range c.members {
			m.stop(t)
			c.done["stop"]++
		}
		t.Logf("%d messages, %d duplicates, %v", count, c.ends.duplicates(), c.done)
		require.Empty(t, lost, "messages were lost")
	})
}

// chain is a chain of processes.
type chain struct {
	yaml, stream string
	members      []*stageMember
	ends         *arrivals
	done         map[string]int // disturbances, by kind
}

// stageMember is one of the processes of a stage. Another process takes its place when it ends.
type stageMember struct {
	*stageProcess
	stage int
}

func (c *chain) newMember(t *testing.T, stage, order int) *stageMember {
	t.Helper()
	orders := slices.Sorted(maps.Keys(chainOrders))
	return &stageMember{startStage(t, c.yaml, c.stream, stage, orders[order%len(orders)]), stage}
}

// publish publishes messages to the first stage until it is to end, and returns how many.
func (c *chain) publish(t *testing.T, pub *bytesPublisher, end <-chan struct{}) int {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		if _, err := pub.Publish(context.Background(), []byte(strconv.Itoa(n))); err != nil {
			t.Errorf("publish: %v", err)
		}
		select {
		case <-end:
			return n + 1
		case <-tick.C:
		}
	}
}

// disturbInTurn disturbs each process four times.
func (c *chain) disturbInTurn(t *testing.T) {
	t.Helper()
	order := len(c.members)
	for round := range 4 {
		for i, m := range c.members {
			switch (round + i) % 4 {
			case 0, 1:
				m.stop(t)
				c.done["stop"]++
			case 2:
				m.kill(t)
				c.done["kill"]++
			case 3:
				m.pause(t, 300*time.Millisecond)
				c.done["pause"]++
				continue
			}
			c.members[i] = c.newMember(t, m.stage, order)
			order++
		}
	}
}

// disturbAtRandom disturbs the processes for a while.
func (c *chain) disturbAtRandom(t *testing.T, limit time.Duration) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not for secrets
	for end := time.Now().Add(limit); time.Now().Before(end); {
		time.Sleep(time.Duration(random.Int64N(int64(500 * time.Millisecond))))
		i := random.IntN(len(c.members))
		m := c.members[i]
		switch random.IntN(5) {
		case 0, 1:
			m.stop(t)
			c.done["stop"]++
		case 2:
			m.kill(t)
			c.done["kill"]++
		case 3: // some are longer than the timeouts
			m.pause(t, time.Duration(random.ExpFloat64()*float64(2*time.Second)))
			c.done["pause"]++
			continue
		case 4: // and its stop finds what happened meanwhile
			m.pause(t, time.Duration(random.ExpFloat64()*float64(2*time.Second)))
			m.stop(t)
			c.done["pause and stop"]++
		}
		c.members[i] = c.newMember(t, m.stage, random.IntN(len(chainOrders)))
	}
}

// arrivals are the messages that have come to the end of a chain.
type arrivals struct {
	mu    sync.Mutex
	seen  map[string]int
	added chan struct{} // has an element when seen has grown
}

func newArrivals() *arrivals {
	return &arrivals{seen: map[string]int{}, added: make(chan struct{}, 1)}
}

func (a *arrivals) handle(_ context.Context, m *bytesMessage) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[string(m.Value)]++
	select {
	case a.added <- struct{}{}:
	default:
	}
	return nil
}

// waitFor waits until count messages have come and returns those that have not, after a time in
// which none came.
func (a *arrivals) waitFor(count int) (lost []string) {
	for {
		if lost = a.missing(count); len(lost) == 0 {
			return nil
		}
		select {
		case <-a.added:
		case <-time.After(within):
			return lost
		}
	}
}

func (a *arrivals) missing(count int) (missing []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range count {
		if a.seen[strconv.Itoa(i)] == 0 {
			missing = append(missing, strconv.Itoa(i))
		}
	}
	return missing
}

func (a *arrivals) duplicates() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, times := range a.seen {
		n += times - 1
	}
	return n
}
