package iggytest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// exampleT takes the place of the *testing.T that an example does not have.
type exampleT struct {
	testing.TB
	ends []func()
}

func (t *exampleT) Helper()                   {}
func (t *exampleT) Logf(string, ...any)       {}
func (t *exampleT) Cleanup(end func())        { t.ends = append(t.ends, end) }
func (t *exampleT) Context() context.Context  { return context.Background() }
func (t *exampleT) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

func (t *exampleT) end() {
	for _, v := range slices.Backward(t.ends) {
		v()
	}
}

// A server for one test, a fault, and the messages that the server holds afterwards. The answer to
// the first send is lost: the message is sent again with the same id.
func ExampleNewServer() {
	t := &exampleT{} // a test's own *testing.T
	defer t.end()

	srv := iggytest.NewServer(t)
	srv.CreateTopic("shop", "orders", 1)
	lost := srv.Inject(iggytest.Cut().AfterEffect().On(embedded.SendMessages).Times(1))

	cfg := config.Default()
	cfg.Iggy.Endpoint = srv.Endpoint()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })

	if _, err := p.Send(t.Context(), producer.Message{Stream: "shop", Topic: "orders", Payload: []byte("a book")}); err != nil {
		t.Fatalf("%v", err)
	}
	lost.Wait(1)
	stored := srv.WaitMessages("shop", "orders", 2)
	fmt.Println(len(stored), stored[0].ID == stored[1].ID)
	// Output: 2 true
}
