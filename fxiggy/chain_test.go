package fxiggy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// chainProcess is the variable that makes this test binary a stage of a chain.
const chainProcess = "FXIGGY_TEST_STAGE"

// chainTopic is the topic before a stage of a chain.
func chainTopic(stream string, stage int) topic.Topic[[]byte] {
	return topic.New(stream, "stage"+strconv.Itoa(stage), topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{Partitions: 2}))
}

// chainStages is the number of stages. Each is built in another order.
const chainStages = 3

// runChain runs a stage, which publishes each message to the next one, until a signal ends it. A
// message that fails once is lost.
func runChain() {
	stage, err := strconv.Atoi(os.Getenv(chainProcess))
	if err != nil {
		panic(err)
	}
	log, err := zap.NewDevelopment()
	if err != nil {
		panic(err)
	}
	once := config.DefaultConsumer("chain")
	once.Retry.MaxDeliveries = 1
	handler := func(p *bytesPublisher) func(context.Context, *bytesMessage) error {
		return func(ctx context.Context, m *bytesMessage) error {
			time.Sleep(5 * time.Millisecond) // the handler's work
			return errOf(p.Publish(ctx, m.Value))
		}
	}
	orders := [chainStages]fx.Option{
		fx.Invoke(func(c *bytesConsumer, p *bytesPublisher) error { return c.Handle(handler(p)) }),
		fx.Invoke(func(p *bytesPublisher, c *bytesConsumer) error { return c.Handle(handler(p)) }),
		fx.Invoke(func(c *bytesConsumer, bg *fxiggy.Background, p *bytesPublisher) error {
			return bg.Go("relay", func(ctx context.Context) error {
				for m, err := range c.Messages(ctx) {
					if err != nil {
						return err
					}
					if err := handler(p)(m.Context(), m); err != nil {
						m.Nack(err)
					}
				}
				return nil
			})
		}),
	}
	stream := os.Getenv("FXIGGY_TEST_STREAM")
	fx.New(quiet, fx.Supply(log), fxiggy.Module, configured(os.Getenv("FXIGGY_TEST_YAML")),
		fxiggy.Consume(chainTopic(stream, stage), "in", fxiggy.Defaults(once)), fxiggy.Publish(chainTopic(stream, stage+1)),
		orders[stage],
		fx.Invoke(func(lc fx.Lifecycle) {
			lc.Append(fx.Hook{OnStart: func(context.Context) error {
				// Run handles signals a moment after the start.
				time.AfterFunc(100*time.Millisecond, func() { fmt.Println("started") })
				return nil
			}})
		})).Run()
}

// stageProcess is a running stage.
type stageProcess struct {
	cmd *exec.Cmd
	log bytes.Buffer
}

func startStage(t *testing.T, yaml, stream string, stage int) *stageProcess {
	t.Helper()
	p := &stageProcess{cmd: exec.Command(os.Args[0])} //nolint:gosec // this binary
	p.cmd.Env = append(os.Environ(), chainProcess+"="+strconv.Itoa(stage), "FXIGGY_TEST_STREAM="+stream, "FXIGGY_TEST_YAML="+yaml)
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil { // the test failed
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	line := make([]byte, len("started\n"))
	_, err = out.Read(line)
	require.NoError(t, err, "%s", &p.log)
	return p
}

// stop ends the process cleanly.
func (p *stageProcess) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait(), "%s", &p.log)
	require.NotContains(t, p.log.String(), "client closed")
	require.NotContains(t, p.log.String(), "ERROR", "a message that fails for good is an error")
}

// Processes of a chain are stopped, killed and paused while messages go through it.
func TestChainOfProcessesLosesNothing(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv endpoint) {
		yaml, name := yaml(srv), stream()
		a := newAdmin(t, yaml)
		t.Cleanup(func() { require.NoError(t, a.DeleteStream(context.Background(), name)) })
		var pub *bytesPublisher
		seen, all := map[string]bool{}, make(chan struct{})
		var mu sync.Mutex
		const count = 600
		start(t, configured(yaml), fxiggy.Publish(chainTopic(name, 0)), fx.Populate(&pub), fxiggy.Consume(chainTopic(name, chainStages), "end"),
			fx.Invoke(func(c *bytesConsumer) error {
				return c.Handle(func(_ context.Context, m *bytesMessage) error {
					mu.Lock()
					defer mu.Unlock()
					if seen[string(m.Value)] = true; len(seen) == count {
						select {
						case <-all:
						default:
							close(all)
						}
					}
					return nil
				})
			}))
		stages := make([]*stageProcess, chainStages)
		for i := range stages {
			stages[i] = startStage(t, yaml, name, i)
		}
		published := make(chan error, 1)
		go func() {
			var errs []error
			for i := range count {
				errs = append(errs, errOf(pub.Publish(context.Background(), []byte(strconv.Itoa(i)))))
				time.Sleep(10 * time.Millisecond)
			}
			published <- errors.Join(errs...)
		}()
		for round := range 4 {
			for i := range stages {
				switch (round + i) % 4 {
				case 0, 1:
					stages[i].stop(t)
				case 2:
					require.NoError(t, stages[i].cmd.Process.Kill())
					_ = stages[i].cmd.Wait()
				case 3:
					require.NoError(t, suspend(stages[i].cmd.Process))
					time.Sleep(300 * time.Millisecond)
					require.NoError(t, resume(stages[i].cmd.Process))
					continue
				}
				stages[i] = startStage(t, yaml, name, i)
			}
		}
		require.NoError(t, <-published)
		select {
		case <-all:
		case <-time.After(within):
			mu.Lock()
			defer mu.Unlock()
			for i := range count {
				if !seen[strconv.Itoa(i)] {
					t.Logf("lost: %d", i)
				}
			}
			require.FailNow(t, "messages were lost", "%d of %d arrived", len(seen), count)
		}
		for _, p := range stages {
			p.stop(t)
		}
	})
}
