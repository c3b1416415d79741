// Command fetchbox-iggy-cli is the operators' tool for FetchBox's streams: it
// publishes, tails, provisions, watches and repairs them. See its --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/fetchbox/fetchbox-iggy/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	// A closed pipe is an error of a write, and handled there.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks, the second one kills.
	context.AfterFunc(ctx, stop)
	return cli.Run(ctx, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args[1:])
}
