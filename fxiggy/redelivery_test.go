package fxiggy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// waitingProcess is the variable that makes this test binary an application of waitingApps.
const waitingProcess = "FXIGGY_TEST_WAITING"

var errLater = errors.New("not now")

// waitingApps are applications that fail each message, which then waits for an hour. failed is called
// for each.
var waitingApps = map[string]func(c *bytesConsumer, bg *fxiggy.Background, failed func(value []byte)) error{
	"handler": func(c *bytesConsumer, _ *fxiggy.Background, failed func([]byte)) error {
		return c.Handle(func(_ context.Context, m *bytesMessage) error {
			failed(m.Value)
			return errLater
		})
	},
	"handler with RetryAfter": func(c *bytesConsumer, _ *fxiggy.Background, failed func([]byte)) error {
		return c.Handle(func(_ context.Context, m *bytesMessage) error {
			failed(m.Value)
			return consumer.RetryAfter(time.Hour, errLater)
		})
	},
	"loop": func(c *bytesConsumer, bg *fxiggy.Background, failed func([]byte)) error {
		return bg.Go("loop", func(ctx context.Context) error {
			for m, err := range c.Messages(ctx) {
				if err != nil {
					return err
				}
				m.Nack(errLater)
				failed(m.Value)
			}
			return nil
		})
	},
}

// runWaiting runs the application that the variables name until a signal ends it.
func runWaiting() {
	started, log := make(chan struct{}), processLog() // started: signals are handled
	retry := config.DefaultConsumer("waiting")
	retry.Retry.BaseBackoff, retry.Retry.MaxBackoff = time.Hour, time.Hour
	messages := topic.New(os.Getenv("FXIGGY_TEST_STREAM"), "in", topic.Bytes())
	runUntilSignal(fx.New(quiet, fx.Supply(log), fxiggy.Module, configured(os.Getenv("FXIGGY_TEST_YAML")),
		fxiggy.Consume(messages, "in", fxiggy.Defaults(retry)),
		fx.Invoke(func(c *bytesConsumer, bg *fxiggy.Background) error {
			return waitingApps[os.Getenv(waitingProcess)](c, bg, func(value []byte) {
				<-started
				fmt.Println(string(value))
			})
		})), log, func() { close(started) })
}

// A stop in time that leaves messages which only wait for their redelivery is a clean one: the exit
// code is 0, the log says how many come again, and they do.
func TestAStopWithMessagesThatWaitForRedeliveryIsClean(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		for name := range waitingApps {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				yaml := yaml(srv)
				messages := topic.New(stream(), "in", topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{Partitions: 1}))
				a := newAdmin(t, yaml)
				t.Cleanup(func() { require.NoError(t, a.DeleteStream(context.Background(), messages.Stream())) })
				var pub *bytesPublisher
				start(t, configured(yaml), fxiggy.Publish(messages), fx.Populate(&pub))
				values := []string{"a", "b", "c"}
				for _, value := range values {
					require.NoError(t, errOf(pub.Publish(t.Context(), []byte(value))))
				}

				child := exec.Command(os.Args[0]) //nolint:gosec // this binary
				child.Env = append(os.Environ(), waitingProcess+"="+name, "FXIGGY_TEST_STREAM="+messages.Stream(), "FXIGGY_TEST_YAML="+yaml)
				var log bytes.Buffer
				child.Stderr = &log
				out, err := child.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, child.Start())
				lines := bufio.NewReader(out)
				var failed []string
				for range values {
					line, err := lines.ReadString('\n')
					require.NoError(t, err, "%s", &log)
					failed = append(failed, line[:1])
				}
				slices.Sort(failed)
				require.Equal(t, values, failed)
				require.NoError(t, child.Process.Signal(syscall.SIGTERM))
				require.NoError(t, child.Wait(), "the exit code is 0\n%s", &log)
				require.Regexp(t, `stopped, messages that wait for redelivery are delivered again.*"count": 3`, log.String())

				group := admin.Group{Stream: messages.Stream(), Topic: messages.Name(), Name: "waiting"}
				lag, err := a.Lag(t.Context(), group)
				require.NoError(t, err)
				require.EqualValues(t, len(values), lag.Total(), "nothing is committed")
				again := make(chan string, len(values))
				start(t, configured(yaml), fxiggy.Consume(messages, "in", fxiggy.Defaults(config.DefaultConsumer("waiting"))), fx.Invoke(handleTo(again)))
				var redelivered []string
				for range values {
					redelivered = append(redelivered, receive(t, again))
				}
				slices.Sort(redelivered)
				require.Equal(t, values, redelivered)
			})
		}
	})
}
