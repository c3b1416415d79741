// Command draw writes docs/images/cli.svg: a terminal with commands of fetchbox-iggy-cli and what
// they print, on an embedded server with a service that bills orders.
//
//	go run ./docs/images/draw > docs/images/cli.svg
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"os"
	"strings"
	"unicode/utf8"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/internal/cli"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

type order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
}

var orders = topic.New("shop", "orders", topic.JSON[order](), topic.Key(func(o order) string { return o.Customer }))

func main() {
	if err := draw(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// draw runs the commands and writes the picture.
func draw(to io.Writer) error {
	ctx := context.Background()
	server, err := embedded.Start()
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop(ctx) }()
	handled := make(chan struct{}, 10)
	var publisher *producer.Publisher[order]
	app := fx.New(fx.NopLogger, fxiggy.Core, fxiggy.Publish(orders), fxiggy.Consume(orders, "billing", fxiggy.DeadLetters()),
		fxiggy.ConfigOptions(config.WithEnviron([]string{
			"IGGY__IGGY__ENDPOINT=" + server.Endpoint(), "IGGY__IGGY__CLIENT_ID=iggy", "IGGY__IGGY__CLIENT_SECRET=iggy",
		})),
		fx.Invoke(func(c *consumer.Consumer[order]) error {
			return c.Handle(func(_ context.Context, m *consumer.Message[order]) error {
				defer func() { handled <- struct{}{} }()
				if m.Value.Cents == 0 {
					return consumer.Permanent(fmt.Errorf("order %s has no price", m.Value.ID))
				}
				return nil
			})
		}), fx.Populate(&publisher))
	if err := app.Start(ctx); err != nil {
		return fxiggy.Cause(err)
	}
	screen := &screen{endpoint: strings.Replace(server.Endpoint(), "iggy://", "iggy://iggy:iggy@", 1)}
	if err := publisher.PublishAll(ctx, []order{{"1", "acme", 1250}, {"2", "acme", 300}, {"3", "zeta", 0}}); err != nil {
		return errors.Join(err, app.Stop(ctx))
	}
	for range 3 {
		<-handled
	}
	// A stop waits for the dead letter and the commits.
	err = errors.Join(app.Stop(ctx),
		screen.run("topics"),
		screen.run("dlq list shop/orders.billing.dlq"),
		screen.run("dlq replay shop/orders.billing.dlq 0/0 --yes"),
		screen.run("dlq list shop/orders.billing.dlq"))
	if err != nil {
		return err
	}
	return screen.write(to)
}

// screen is what the terminal shows.
type screen struct {
	endpoint string
	lines    []line
}

type line struct {
	text    string
	command bool
}

// run runs a command of the tool, and adds it and its output.
func (s *screen) run(command string) error {
	var out bytes.Buffer
	args := append(strings.Fields(command), "--endpoint", s.endpoint)
	if code := cli.Run(context.Background(), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out}, args); code != 0 {
		return fmt.Errorf("%s: exit code %d: %s", command, code, &out)
	}
	s.lines = append(s.lines, line{"fetchbox-iggy-cli " + command, true})
	for text := range strings.Lines(out.String()) {
		s.lines = append(s.lines, line{strings.TrimRight(text, " \n"), false})
	}
	s.lines = append(s.lines, line{})
	return nil
}

// write writes the screen as SVG. The lines appear one command after another.
func (s *screen) write(to io.Writer) error {
	const lineHeight, charWidth, margin = 20, 8.0, 20
	columns := 0
	for _, l := range s.lines {
		columns = max(columns, utf8.RuneCountInString(l.text)+2)
	}
	width, height := int(float64(columns)*charWidth)+2*margin, len(s.lines)*lineHeight+margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">
<style>text { white-space: pre; fill: #d5d9e0 } .c { fill: #ffffff; font-weight: bold } .p { fill: #6cc070 }
@media (prefers-reduced-motion: no-preference) { g { animation: show 0.01s backwards } @keyframes show { from { opacity: 0 } } }</style>
<rect width="%[1]d" height="%[2]d" rx="8" fill="#1c2128"/>
`, width, height)
	seconds := -1.0
	for i, l := range s.lines {
		if l.text == "" {
			continue
		}
		class, prompt := "", ""
		if l.command {
			seconds++
			class, prompt = ` class="c"`, `<tspan class="p">$ </tspan>`
		} else {
			seconds += 0.05
		}
		fmt.Fprintf(&b, `<g style="animation-delay: %.2fs"><text x="%d" y="%d" textLength="%.0f"%s>%s%s</text></g>`+"\n",
			seconds, margin, (i+1)*lineHeight+margin/4, charWidth*float64(utf8.RuneCountInString(l.text)+len("$ ")*min(len(prompt), 1)),
			class, prompt, html.EscapeString(l.text))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(to, b.String())
	return err
}
