package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"golang.org/x/time/rate"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// greetings is a topic of texts.
var greetings = topic.New("examples", "greetings", topic.JSON[string]())

// exampleServer is an embedded server that holds some greetings.
func exampleServer(texts ...string) (cluster config.Iggy, stop func()) {
	server, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	cluster = config.Default().Iggy
	cluster.Endpoint = server.Endpoint()
	cluster.ClientID, cluster.ClientSecret = embedded.DefaultUsername, config.NewSecret(embedded.DefaultPassword)
	ctx := context.Background()
	if _, err := admin.Provision(ctx, cluster, admin.Spec{admin.Of(greetings, config.DefaultConsumer("greeters").Groups()...)}); err != nil {
		log.Fatal(err)
	}
	p, err := producer.New(cluster, config.Default().Producer)
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer func() { _ = p.Stop(ctx) }()
	if err := producer.For(p, greetings).PublishAll(ctx, texts); err != nil {
		log.Fatal(err)
	}
	return cluster, func() { _ = server.Stop(ctx) }
}

func Example() {
	cluster, stop := exampleServer("hello", "bonjour")
	defer stop()

	c, err := consumer.New(cluster, config.DefaultConsumer("greeters"), greetings)
	if err != nil {
		log.Fatal(err)
	}
	heard := make(chan string, 2)
	// Messages without a key are handled side by side; these come by their offset.
	err = c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		heard <- fmt.Sprintf("%d: %s", m.Offset(), m.Value)
		return nil // acknowledges
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	lines := []string{<-heard, <-heard}
	if lines[0] > lines[1] {
		lines[0], lines[1] = lines[1], lines[0]
	}
	fmt.Println(lines[0])
	fmt.Println(lines[1])
	// Finishes the messages in flight, commits, and leaves the group.
	if err := c.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 0: hello
	// 1: bonjour
}

// report is middleware that prints what becomes of each delivery.
func report(next consumer.Handler[string]) consumer.Handler[string] {
	return func(ctx context.Context, m *consumer.Message[string]) error {
		err := next(ctx, m)
		fmt.Printf("%s: %v\n", m.Value, err)
		return err
	}
}

// Middleware is called around the handler, in the order in which Use is given it.
func ExampleConsumer_Use() {
	cluster, stop := exampleServer("hello", "bonjour")
	defer stop()

	cfg := config.DefaultConsumer("greeters")
	cfg.MaxInFlight = 1 // one after another
	c, err := consumer.New(cluster, cfg, greetings)
	if err != nil {
		log.Fatal(err)
	}
	// At most a hundred messages a second go to the handler, one after another.
	err = c.Use(consumer.RateLimit[string](rate.NewLimiter(100, 1)), report)
	if err != nil {
		log.Fatal(err)
	}
	heard := make(chan struct{}, 2)
	err = c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		defer func() { heard <- struct{}{} }()
		if m.Value == "bonjour" {
			return consumer.Permanent(errors.New("not understood"))
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	<-heard
	<-heard
	if err := c.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// hello: <nil>
	// bonjour: not understood
}

func ExampleConsumer_Messages() {
	cluster, stop := exampleServer("hello", "bonjour", "ciao")
	defer stop()

	cfg := config.DefaultConsumer("greeters")
	cfg.AckMode = config.AckManual
	cfg.MaxInFlight = 1 // one after another
	c, err := consumer.New(cluster, cfg, greetings)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Stop(ctx) }()
	seen := 0
	for m, err := range c.Messages(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if m.Value == "bonjour" && m.Deliveries() == 1 {
			m.Nack(errors.New("not understood")) // it is redelivered, and the others go on meanwhile
			continue
		}
		fmt.Println(m.Value)
		m.Ack()
		if seen++; seen == 3 {
			break
		}
	}
	// Output:
	// hello
	// ciao
	// bonjour
}

func ExampleConsumer_Next() {
	cluster, stop := exampleServer("hello")
	defer stop()

	c, err := consumer.New(cluster, config.DefaultConsumer("greeters"), greetings)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Stop(ctx) }()
	m, err := c.Next(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Value, "from partition", m.Partition())
	if err := m.AckSync(ctx); err != nil { // waits until the offset is stored
		log.Fatal(err)
	}
	fmt.Println("stored:", c.Status().Partitions[0].Committed)
	// Output:
	// hello from partition 0
	// stored: 0
}

func ExampleWithStandalone() {
	cluster, stop := exampleServer("hello", "bonjour", "ciao")
	defer stop()

	// The last message, and then what comes; nothing is stored and no group is joined.
	c, err := consumer.New(cluster, config.DefaultConsumer(""), greetings,
		consumer.WithStandalone(consumer.Standalone{Start: consumer.Last()}))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Stop(ctx) }()
	for m, err := range c.Messages(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Value)
		m.Ack()
		break
	}
	// Output:
	// ciao
}

// boxOf prints what it is given.
type printDeadLetters struct{ done chan struct{} }

func (b printDeadLetters) DeadLetter(_ context.Context, f topic.Failure[string]) error {
	fmt.Printf("%s after %d deliveries: %v\n", f.Code, f.Attempts, f.Err)
	close(b.done)
	return nil // confirmed: now the message's offset may be committed
}

func ExampleConsumer_SetDeadLetters() {
	cluster, stop := exampleServer("hello")
	defer stop()

	cfg := config.DefaultConsumer("greeters")
	cfg.Retry.MaxDeliveries = 2
	box := printDeadLetters{done: make(chan struct{})}
	c, err := consumer.New(cluster, cfg, greetings)
	if err != nil {
		log.Fatal(err)
	}
	if err := c.SetDeadLetters(box); err != nil {
		log.Fatal(err)
	}
	err = c.Handle(func(context.Context, *consumer.Message[string]) error { return errors.New("nobody is here") })
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	<-box.done
	if err := c.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// HANDLER_ERROR after 2 deliveries: nobody is here
}

// A handler of batches gets messages of one partition, in order.
func ExampleConsumer_HandleBatch() {
	cluster, stop := exampleServer("hello", "bonjour", "ciao")
	defer stop()

	c, err := consumer.New(cluster, config.DefaultConsumer("greeters"), greetings)
	if err != nil {
		log.Fatal(err)
	}
	heard := make(chan string, 3)
	err = c.HandleBatch(func(_ context.Context, batch []*consumer.Message[string]) error {
		for _, m := range batch {
			heard <- m.Value
		}
		return nil // acknowledges all of them
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-heard, <-heard, <-heard)
	if err := c.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// hello bonjour ciao
}

func ExampleConsumer_Seek() {
	cluster, stop := exampleServer("hello", "bonjour")
	defer stop()

	c, err := consumer.New(cluster, config.DefaultConsumer("greeters"), greetings)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Stop(ctx) }()
	for range 3 {
		m, err := c.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Value)
		m.Ack()
		if m.Value == "bonjour" {
			// Back to the first message.
			if err := c.Seek(ctx, m.Partition(), consumer.First()); err != nil {
				log.Fatal(err)
			}
		}
	}
	// Output:
	// hello
	// bonjour
	// hello
}

func ExampleConsumer_Pause() {
	cluster, stop := exampleServer("hello")
	defer stop()

	c, err := consumer.New(cluster, config.DefaultConsumer("greeters"), greetings)
	if err != nil {
		log.Fatal(err)
	}
	heard := make(chan string, 1)
	err = c.Handle(func(_ context.Context, m *consumer.Message[string]) error {
		heard <- m.Value
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	c.Pause(0) // also before partition 0 is assigned
	if err := c.Start(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("heard while paused:", len(heard))
	c.Resume(0)
	fmt.Println(<-heard)
	if err := c.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// heard while paused: 0
	// hello
}

var (
	errClosed  = errors.New("closed until Monday")
	errNoDisk  = errors.New("no space left on device")
	errNobody  = errors.New("nobody with this name")
	errTimeout = errors.New("no answer")
)

// answer shows what a handler can return.
func answer(text string) error {
	switch text {
	case "hello":
		return nil // acknowledged
	case "timeout":
		return errTimeout // delivered again with a backoff, and finally a dead letter
	case "closed":
		return consumer.RetryAfter(time.Hour, errClosed) // delivered again after an hour
	case "not yet":
		return consumer.Postpone(time.Second, nil) // delivered again after a second, not counted
	case "disk":
		return consumer.Unavailable(errNoDisk) // the partition pauses; not the message's fault
	case "nobody":
		return consumer.Permanent(errNobody) // a dead letter at once
	default:
		return consumer.Drop // acknowledged, and counted as dropped
	}
}

// The error of a handler decides what becomes of the message.
func ExampleHandler() {
	fmt.Println(answer("hello"), errors.Is(answer("nobody"), errNobody), errors.Is(answer("disk"), errNoDisk))
	// Output: <nil> true true
}
