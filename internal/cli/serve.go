package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
)

type serveOptions struct {
	addr, data         string
	username, password string
	cert, key          string
	retention          string

	messagesRequiredToSave       int
	sizeOfMessagesRequiredToSave string
	saveInterval                 time.Duration
	enforceFsync                 bool
}

func (a *app) serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run an Iggy server for development and tests",
		Long: `Run an Iggy server for development and tests, not for production.

It speaks the protocol of Apache Iggy 0.8.0 over TCP, as a single node without
QUIC, HTTP and WebSocket. Without --data it keeps everything in memory. When it
listens, it prints its address on one line. SIGTERM or ctrl-C stops it cleanly.

Like the real server, it writes the messages of a partition to --data when there
are 1,024 of them or 1 MiB, and every 30 seconds. kill -9 loses the confirmed
messages that were not written. With --messages-required-to-save 1 it loses none.
With --enforce-fsync in addition, a crash of the machine loses none either.
Damaged and foreign files in --data are moved to its directory set-aside.`,
		Example: `  fetchbox-iggy-cli serve
  fetchbox-iggy-cli serve --addr 127.0.0.1:0 --data ./data
  fetchbox-iggy-cli serve --data ./data --messages-required-to-save 1 --enforce-fsync`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.addr, "addr", "127.0.0.1:8090", "`host:port` to listen on; port 0 is any free one")
	f.StringVar(&o.data, "data", "", "`directory` that keeps the data (default: only memory)")
	f.StringVar(&o.username, "username", embedded.DefaultUsername, "`name` of the root user")
	f.StringVar(&o.password, "password", embedded.DefaultPassword, "`password` of the root user")
	f.StringVar(&o.cert, "tls-cert", "", "PEM `file` with the certificate; with --tls-key it turns TLS on")
	f.StringVar(&o.key, "tls-key", "", "PEM `file` with the certificate's key")
	f.StringVar(&o.retention, "retention", config.Bytes(embedded.DefaultRetention).String(), "`size` of each partition beyond which the oldest messages are dropped; 0 is no limit")
	f.IntVar(&o.messagesRequiredToSave, "messages-required-to-save", 1024, "`number` of unsaved messages of a partition at which they are written to --data")
	f.StringVar(&o.sizeOfMessagesRequiredToSave, "size-of-messages-required-to-save", "1MiB", "`size` of the unsaved messages of a partition at which they are written to --data")
	f.DurationVar(&o.saveInterval, "save-interval", 30*time.Second, "`time` after which unsaved messages are written to --data; 0 is never")
	f.BoolVar(&o.enforceFsync, "enforce-fsync", false, "sync what is written to --data before it is confirmed")
	_ = c.MarkFlagDirname("data")
	return c
}

func (a *app) serve(ctx context.Context, o serveOptions) error {
	opts, err := o.serverOptions()
	if err != nil {
		return err
	}
	level := zapcore.WarnLevel
	if a.verbose {
		level = zapcore.DebugLevel
	}
	server, err := embedded.Start(append(opts, embedded.WithLogger(a.loggerAt(level)))...)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("--addr: %w", err)
	}
	if err != nil {
		return err
	}
	// Requests are short. A second signal ends the process.
	defer func() { _ = server.Stop(context.WithoutCancel(ctx)) }()
	a.warnOfExposure(o)
	if err := a.printAddress(server.Endpoint()); err != nil {
		return err
	}
	<-ctx.Done()
	return server.Stop(context.WithoutCancel(ctx))
}

// warnOfExposure prints a warning when other machines can reach the server: it has no TLS by default,
// and everybody knows its default user.
func (a *app) warnOfExposure(o serveOptions) {
	host, _, _ := net.SplitHostPort(o.addr)
	if host == "localhost" || net.ParseIP(host).IsLoopback() {
		return
	}
	text := fmt.Sprintf("other machines can reach the server: --addr %s is not a loopback address", o.addr)
	if o.username == embedded.DefaultUsername && o.password == embedded.DefaultPassword {
		text += ", and --username and --password are the defaults, which everybody knows"
	}
	fmt.Fprintln(a.err, "fetchbox-iggy-cli: warning: "+text)
}

// serverOptions checks the flags, and turns them into options of the server.
func (o serveOptions) serverOptions() ([]embedded.Option, error) {
	if _, _, err := net.SplitHostPort(o.addr); err != nil {
		return nil, usagef("--addr must be host:port: %w", err)
	}
	if (o.cert == "") != (o.key == "") {
		return nil, usagef("--tls-cert and --tls-key belong together")
	}
	for flag, value := range map[string]string{"username": o.username, "password": o.password} {
		// The limits of the protocol.
		if len(value) < 3 || len(value) > 50 {
			return nil, usagef("--%s must have 3 to 50 bytes", flag)
		}
	}
	retention, err := config.ParseBytes(o.retention)
	if err != nil {
		return nil, usagef("--retention: %w", err)
	}
	if retention == 0 {
		retention = -1
	}
	size, err := config.ParseBytes(o.sizeOfMessagesRequiredToSave)
	if err != nil {
		return nil, usagef("--size-of-messages-required-to-save: %w", err)
	}
	if o.messagesRequiredToSave < 1 {
		return nil, usagef("--messages-required-to-save must be 1 or more")
	}
	if o.saveInterval < 0 {
		return nil, usagef("--save-interval must be 0 or more")
	}
	opts := []embedded.Option{
		embedded.WithAddress(o.addr), embedded.WithCredentials(o.username, o.password),
		embedded.WithDirectory(o.data), embedded.WithRetention(int64(retention)),
		embedded.WithMessagesRequiredToSave(o.messagesRequiredToSave),
		embedded.WithSizeOfMessagesRequiredToSave(int64(size)),
		embedded.WithSaveInterval(o.saveInterval), embedded.WithEnforceFsync(o.enforceFsync),
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
		opts = append(opts, embedded.WithTLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}))
	}
	return opts, nil
}

// printAddress prints the address. Scripts wait for this line.
func (a *app) printAddress(endpoint string) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(map[string]string{"endpoint": endpoint})
	}
	_, err := fmt.Fprintf(a.out, "listening on %s (for development and tests, not for production)\n", endpoint)
	return err
}
