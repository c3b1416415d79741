// Command fetchbox-iggy-cli publishes and reads FetchBox's messages, provisions topics, shows the
// lag of consumers, sets offsets and handles dead letters. See its --help.
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
	// A write to a closed pipe then returns an error, which the command handles.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the context, the second one ends the process.
	context.AfterFunc(ctx, stop)
	return cli.Run(ctx, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args[1:])
}
