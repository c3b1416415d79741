// Command fxapp is a small FetchBox, in one process or in several: an API accepts jobs, workers
// download their resources, and a ledger stores their state. Iggy connects them.
//
// Without configuration it runs on an embedded Iggy server, which keeps its messages in the directory
// of -data. Each message is on the disk before it is confirmed, so accepted jobs survive kill -9:
//
//	go run ./examples/fxapp
//	curl -H 'X-Fetchbox-Job-Type: demo' -d '{"manifest_version": "v1", "metadata": {},
//	  "resources": [{"id": "a", "url": "https://example.com/"}]}' http://127.0.0.1:8080/jobs
//
// On a real server:
//
//	FETCHBOX__IGGY__ENDPOINT=iggy://127.0.0.1:8090 FETCHBOX__IGGY__CLIENT_ID=iggy \
//	FETCHBOX__IGGY__CLIENT_SECRET=iggy go run ./examples/fxapp
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
)

func main() {
	var (
		o     app.Options
		role  string
		level = defaultLevel(term.IsTerminal(int(os.Stderr.Fd())))
	)
	flag.StringVar(&o.ConfigFile, "config", "",
		"YAML configuration `file` (default: the file that FETCHBOX_CONFIG names, or none)")
	flag.StringVar(&o.Data, "data", "data",
		"`directory` of resources, job states and the embedded server; the processes of all roles share it")
	flag.StringVar(&role, "role", string(app.RoleAll),
		"`role` of this process: api, worker, ledger or all")
	flag.TextVar(&level, "log", level, "`level` of the log on standard error: debug, info, warn or error; by default warn in a terminal, otherwise info")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "fxapp: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	o.Role = app.Role(role)

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	go func() {
		<-ctx.Done()
		cancel() // a second signal ends the process at once
	}()
	if err := app.Run(ctx, o, logger(level), os.Stdout); err != nil {
		// Each error is on a line of its own.
		fmt.Fprintln(os.Stderr, "fxapp: "+strings.ReplaceAll(err.Error(), "\n", "\nfxapp: "))
		os.Exit(1)
	}
}

// defaultLevel is the default level of the log. In a terminal it must not hide the address of the page.
func defaultLevel(terminal bool) zapcore.Level {
	if terminal {
		return zapcore.WarnLevel
	}
	return zapcore.InfoLevel
}

func logger(level zapcore.Level) *zap.Logger {
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.ISO8601TimeEncoder
	encoder.EncodeDuration = zapcore.StringDurationEncoder
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(encoder), zapcore.Lock(os.Stderr), level))
}
