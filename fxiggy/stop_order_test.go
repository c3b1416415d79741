package fxiggy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

type (
	bytesConsumer  = consumer.Consumer[[]byte]
	bytesMessage   = consumer.Message[[]byte]
	bytesPublisher = producer.Publisher[[]byte]
)

// stopping is an application that begins to stop while it handles a message. Its work is to publish
// that message to another topic.
type stopping struct {
	in, out topic.Topic[[]byte]
	begun   chan struct{} // closed when the stop has begun
	working func()        // called when the work begins
}

// work is the time of a handler after the stop has begun. It lets that which must not stop before
// the handler stop before the handler if it is wrong.
func (s *stopping) work(ctx context.Context, value []byte, publish func(context.Context, []byte) error) error {
	s.working()
	<-s.begun
	time.Sleep(150 * time.Millisecond)
	return publish(ctx, value)
}

func (s *stopping) handler(publish func(context.Context, []byte) error) func(context.Context, *bytesMessage) error {
	return func(ctx context.Context, m *bytesMessage) error { return s.work(ctx, m.Value, publish) }
}

func publishWith(p *bytesPublisher) func(context.Context, []byte) error {
	return func(ctx context.Context, value []byte) error { return errOf(p.Publish(ctx, value)) }
}

// loop handles the messages of c until it or ctx ends.
func (s *stopping) loop(ctx context.Context, c *bytesConsumer, p *bytesPublisher) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := s.work(m.Context(), m.Value, publishWith(p)); err != nil {
			m.Nack(err)
			continue
		}
		m.Ack()
	}
	return nil
}

// next is loop with Next, which reports the end of the consumer.
func (s *stopping) next(ctx context.Context, c *bytesConsumer, p *bytesPublisher) error {
	for {
		m, err := c.Next(ctx)
		if err != nil {
			return err
		}
		if err := s.work(m.Context(), m.Value, publishWith(p)); err != nil {
			m.Nack(err)
		} else {
			m.Ack()
		}
	}
}

// database is a component of the application that is closed by its hook.
type database struct{ closed atomic.Bool }

func newDatabase(lc fx.Lifecycle) *database {
	d := &database{}
	lc.Append(fx.Hook{OnStop: func(context.Context) error {
		d.closed.Store(true)
		return nil
	}})
	return d
}

func (d *database) publishWith(p *bytesPublisher) func(context.Context, []byte) error {
	return func(ctx context.Context, value []byte) error {
		if d.closed.Load() {
			return errors.New("database closed")
		}
		return errOf(p.Publish(ctx, value))
	}
}

// relay is a handler that is a component of the application.
type relay struct{ pub *bytesPublisher }

type publishingSink struct{ pub *bytesPublisher }

func (s publishingSink) DeadLetter(ctx context.Context, f topic.Failure[[]byte]) error {
	return errOf(s.pub.Publish(ctx, f.Payload))
}

// stoppingApps are applications that differ in what is built in which order.
var stoppingApps = map[string]func(s *stopping) fx.Option{
	"consumer before publisher": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Invoke(func(c *bytesConsumer, p *bytesPublisher) error {
			return c.Handle(s.handler(publishWith(p)))
		}))
	},
	"publisher before consumer": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Invoke(func(p *bytesPublisher, c *bytesConsumer) error {
			return c.Handle(s.handler(publishWith(p)))
		}))
	},
	"batch handler": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Invoke(func(c *bytesConsumer, p *bytesPublisher) error {
			return c.HandleBatch(func(ctx context.Context, batch []*bytesMessage) error {
				return s.work(ctx, batch[0].Value, publishWith(p))
			})
		}))
	},
	"handler set in a constructor": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Provide(func(c *bytesConsumer, p *bytesPublisher) (*relay, error) {
			return &relay{p}, c.Handle(s.handler(publishWith(p)))
		}), fx.Invoke(func(*relay) {}))
	},
	"publisher built after the handler was set": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Provide(func(c *bytesConsumer) (*relay, error) {
			r := &relay{}
			return r, c.Handle(s.handler(func(ctx context.Context, value []byte) error { return errOf(r.pub.Publish(ctx, value)) }))
		}), fx.Invoke(func(r *relay, p *bytesPublisher) { r.pub = p }))
	},
	"publisher of another cluster": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out, fxiggy.On("other")), fx.Invoke(fx.Annotate(func(c *bytesConsumer, p *bytesPublisher) error {
			return c.Handle(s.handler(publishWith(p)))
		}, fx.ParamTags("", `name:"other"`))))
	},
	"database built after the consumer": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Provide(newDatabase), fx.Invoke(func(c *bytesConsumer, d *database, p *bytesPublisher) error {
			return c.Handle(s.handler(d.publishWith(p)))
		}))
	},
	"admin built after the consumer": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Invoke(func(c *bytesConsumer, p *bytesPublisher, a *admin.Admin) error {
			return c.Handle(s.handler(func(ctx context.Context, value []byte) error {
				if err := a.Ping(ctx); err != nil {
					return err
				}
				return errOf(p.Publish(ctx, value))
			}))
		}))
	},
	"handler set in a hook, database built after the consumer": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Provide(newDatabase),
			fxiggy.Consume(topic.New(s.in.Stream(), "other", topic.JSON[Order]()), "other"),
			fx.Invoke(func(*bytesConsumer, *bytesPublisher) {}),
			fx.Invoke(func(lc fx.Lifecycle, c *bytesConsumer, d *database, p *bytesPublisher) {
				lc.Append(fx.Hook{OnStart: func(context.Context) error { return c.Handle(s.handler(d.publishWith(p))) }})
			}),
			// Its hook is the first one of the package that stops.
			fx.Invoke(func(c *consumer.Consumer[Order]) error {
				return c.Handle(func(context.Context, *consumer.Message[Order]) error { return nil })
			}))
	},
	"dead letters": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out),
			fx.Provide(func(p *bytesPublisher) consumer.DeadLetters[[]byte] { return publishingSink{p} }),
			fx.Invoke(func(c *bytesConsumer) error {
				return c.Handle(s.handler(func(context.Context, []byte) error { return consumer.Permanent(errors.New("no use")) }))
			}))
	},
	"background loop, consumer before publisher": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Invoke(func(c *bytesConsumer, bg *fxiggy.Background, p *bytesPublisher) error {
			return bg.Go("relay", func(ctx context.Context) error { return s.loop(ctx, c, p) })
		}))
	},
	"background loop, publisher built after it was added": func(s *stopping) fx.Option {
		r := &relay{}
		return fx.Options(fxiggy.Publish(s.out), fx.Invoke(func(c *bytesConsumer, bg *fxiggy.Background) error {
			return bg.Go("relay", func(ctx context.Context) error { return s.loop(ctx, c, r.pub) })
		}, func(p *bytesPublisher) { r.pub = p }))
	},
	"background loop with Next, which another consumer's stop ends": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out),
			fxiggy.Consume(topic.New(s.in.Stream(), "other", topic.JSON[Order]()), "other"),
			fx.Invoke(func(c *bytesConsumer, bg *fxiggy.Background, p *bytesPublisher) error {
				return bg.Go("relay", func(ctx context.Context) error { return s.next(ctx, c, p) })
			}, func(c *consumer.Consumer[Order]) error {
				return c.Handle(func(context.Context, *consumer.Message[Order]) error { return nil })
			}))
	},
	"loop of the application": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Invoke(func(c *bytesConsumer, p *bytesPublisher, lc fx.Lifecycle) {
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			lc.Append(fx.Hook{
				OnStart: func(context.Context) error {
					go func() { ended <- s.loop(ctx, c, p) }()
					return nil
				},
				OnStop: func(context.Context) error {
					cancel()
					return <-ended
				},
			})
		}))
	},
	"loop of the application that the consumer's stop ends": func(s *stopping) fx.Option {
		return fx.Options(fxiggy.Publish(s.out), fx.Invoke(func(c *bytesConsumer, p *bytesPublisher, lc fx.Lifecycle) {
			lc.Append(fx.Hook{OnStart: func(context.Context) error {
				go func() { _ = s.loop(context.Background(), c, p) }()
				return nil
			}})
		}))
	},
}

// options are those of the whole application. A failed message is lost: it is delivered once and
// there are no dead letters.
func (s *stopping) options(name, yaml string, log *zap.Logger) fx.Option {
	once := config.DefaultConsumer("relay")
	once.Retry.MaxDeliveries = 1
	other := "clusters:\n  other:" + strings.ReplaceAll(yaml, "\n", "\n    ") + "\n"
	return fx.Options(quiet, fx.Supply(log), fxiggy.Module, fxiggy.Named("other"), configured(yaml+other),
		fxiggy.Consume(s.in, "in", fxiggy.Defaults(once)),
		stoppingApps[name](s),
		// The last hook, so the first one to stop.
		fx.Invoke(func(lc fx.Lifecycle) {
			lc.Append(fx.Hook{OnStop: func(context.Context) error {
				close(s.begun)
				return nil
			}})
		}))
}

func newStopping(stream string, working func()) *stopping {
	one := topic.WithSettings[[]byte](topic.Settings{Partitions: 1})
	return &stopping{
		in: topic.New(stream, "in", topic.Bytes(), one), out: topic.New(stream, "out", topic.Bytes(), one),
		begun: make(chan struct{}), working: working,
	}
}

// publish provides the topics of s and a message to handle.
func (s *stopping) publish(t *testing.T, yaml string) *admin.Admin {
	t.Helper()
	var pub *bytesPublisher
	app := fx.New(quiet, fxiggy.Module, configured(yaml), fxiggy.Publish(s.in), fx.Populate(&pub))
	require.NoError(t, app.Start(t.Context()))
	require.NoError(t, errOf(pub.Publish(t.Context(), []byte("x"))))
	require.NoError(t, stop(app))
	a := newAdmin(t, yaml)
	t.Cleanup(func() { require.NoError(t, a.DeleteStream(context.Background(), s.in.Stream())) })
	return a
}

// requireHandled requires that the message was handled and committed.
func (s *stopping) requireHandled(t *testing.T, a *admin.Admin) {
	t.Helper()
	_, partitions, err := a.Topic(t.Context(), s.out.Stream(), s.out.Name())
	require.NoError(t, err)
	require.EqualValues(t, 1, partitions[0].Messages, "the message in flight at the stop was not published")
	lag, err := a.Lag(t.Context(), admin.Group{Stream: s.in.Stream(), Topic: s.in.Name(), Name: "relay"})
	require.NoError(t, err)
	require.Zero(t, lag.Total())
}

func stream() string { return "stop-" + uuid.NewString() }

func TestWhatAHandlerUsesStopsAfterIt(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		yaml := yaml(srv)
		for name := range stoppingApps {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				working := make(chan struct{})
				s := newStopping(stream(), func() { close(working) })
				a := s.publish(t, yaml)
				app := fx.New(s.options(name, yaml, zap.NewNop()))
				require.NoError(t, app.Err())
				require.NoError(t, app.Start(t.Context()))
				receive(t, working)
				require.NoError(t, stop(app))
				s.requireHandled(t, a)
			})
		}
	})
}

// stoppingProcess is the variable that makes this test binary an application of stoppingApps.
const stoppingProcess = "FXIGGY_TEST_STOPPING"

// runStopping runs the application that the variables name until a signal ends it, as fx.App.Run
// does.
func runStopping() {
	started, log := make(chan struct{}), processLog() // started: signals are handled
	s := newStopping(os.Getenv("FXIGGY_TEST_STREAM"), func() {
		<-started
		fmt.Println("working")
	})
	runUntilSignal(fx.New(s.options(os.Getenv(stoppingProcess), os.Getenv("FXIGGY_TEST_YAML"), log)), log, func() { close(started) })
}

func TestWhatAHandlerUsesStopsAfterItInAProcess(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		yaml := yaml(srv)
		for name := range stoppingApps {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newStopping(stream(), nil)
				a := s.publish(t, yaml)
				child := exec.Command(os.Args[0]) //nolint:gosec // this binary
				child.Env = append(os.Environ(), stoppingProcess+"="+name, "FXIGGY_TEST_STREAM="+s.in.Stream(), "FXIGGY_TEST_YAML="+yaml)
				var log bytes.Buffer
				child.Stderr = &log
				out, err := child.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, child.Start())
				line, err := bufio.NewReader(out).ReadString('\n')
				require.NoError(t, err, "%s", &log)
				require.Equal(t, "working\n", line)
				require.NoError(t, child.Process.Signal(syscall.SIGTERM))
				require.NoError(t, child.Wait(), "%s", &log)
				s.requireHandled(t, a)
				require.NotContains(t, log.String(), "client closed")
			})
		}
	})
}

// A handler that publishes finds its publishers started, in whatever order they are built.
func TestProducersStartBeforeHandlers(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, srv over) {
		yaml := yaml(srv)
		s := newStopping(stream(), func() {})
		close(s.begun)
		a := s.publish(t, yaml)
		handled := make(chan error, 1)
		once := config.DefaultConsumer("relay")
		once.Retry.MaxDeliveries = 1
		var pub *bytesPublisher
		app := fx.New(quiet, fxiggy.Module, configured(yaml), fxiggy.Consume(s.in, "in", fxiggy.Defaults(once)), fxiggy.Publish(s.out),
			fx.Invoke(func(c *bytesConsumer) error {
				return c.Handle(func(ctx context.Context, m *bytesMessage) error {
					_, err := pub.Publish(ctx, m.Value)
					handled <- err
					return err
				})
			}),
			// The producer is built after this, and its own hook comes after this one.
			fx.Invoke(func(lc fx.Lifecycle) {
				lc.Append(fx.Hook{OnStart: func(context.Context) error { return receive(t, handled) }})
			}),
			fx.Populate(&pub))
		require.NoError(t, app.Err())
		require.NoError(t, app.Start(t.Context()))
		require.NoError(t, stop(app))
		s.requireHandled(t, a)
	})
}
