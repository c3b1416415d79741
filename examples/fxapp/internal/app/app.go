package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/httpserver"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
)

const (
	startTimeout = 15 * time.Second
	stopTimeout  = 15 * time.Second
)

// Run runs the application until ctx ends, and stops it cleanly. It writes to out what a user in a
// terminal needs: the address to open, what a stop waits for, and its end. All resources are released
// when it returns.
func Run(ctx context.Context, o Options, log *zap.Logger, out io.Writer) error {
	result, err := run(ctx, o, log, out)
	if err != nil {
		return err
	}
	if result != "" {
		fmt.Fprintln(out, result)
	}
	return nil
}

// run is Run. It returns the last line for the user, empty when the application was stopped before it
// had started.
func run(ctx context.Context, o Options, log *zap.Logger, out io.Writer) (result string, err error) {
	s, err := loadSettingsUntil(ctx, o)
	if s == nil {
		return "", err
	}
	if limited := s.server.within(descriptors()); limited.MaxConnections < s.server.MaxConnections {
		log.Warn("fewer connections than configured, since file descriptors are few", zap.Int("connections", limited.MaxConnections),
			zap.Int("streams", limited.MaxStreams))
		s.server = limited
	}
	data, err := store.Open(o.Data, store.WithLogger(log))
	if err != nil {
		return "", fmt.Errorf("-data: %w", err)
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	if s.embedded {
		stop, err := s.startEmbedded(log, out)
		if err != nil {
			return "", err
		}
		defer stop()
	}
	tel, err := telemetry.New(ctx, "fetchbox-"+string(o.Role), o.SpanProcessors...)
	if err != nil {
		return "", err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := tel.Stop(ctx); err != nil {
			log.Warn("telemetry not exported completely", zap.Error(err))
		}
	}()
	downloader := download.New(s.download)
	defer downloader.Close()

	var server *httpserver.Server
	app := fx.New(
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
		fx.StartTimeout(startTimeout), fx.StopTimeout(stopTimeout),
		fx.Supply(log, data, downloader, tel, fx.Annotate(out, fx.As(new(io.Writer)))),
		s.module(),
		fx.Populate(&server),
	)
	if err := app.Err(); err != nil {
		return "", fxiggy.Cause(err)
	}
	return runUntilStopped(ctx, app, log, out, func() {
		fmt.Fprintf(out, "%s is ready, and ctrl-C stops it. %s:\n%s\n", o.Role.title(), o.Role.serves(), server.URL())
	})
}

// runUntilStopped starts app, calls started, waits until ctx ends or app shuts itself down, and stops
// app. It returns the last line for the user.
func runUntilStopped(
	ctx context.Context, app *fx.App, log *zap.Logger, out io.Writer, started func(),
) (string, error) {
	starting, cancel := context.WithTimeout(ctx, app.StartTimeout())
	defer cancel()
	if err := app.Start(starting); err != nil {
		if ctx.Err() != nil {
			return "", nil // the caller stopped it before it had started
		}
		return "", fxiggy.Cause(err)
	}
	started()
	var failure error
	select {
	case <-ctx.Done():
	case signal := <-app.Wait():
		if signal.ExitCode != 0 {
			failure = errors.New("stopped because of an error, see the log")
		}
	}
	fmt.Fprintf(out, "Stopping: waiting up to %s for requests and downloads in flight. ctrl-C again does not wait.\n", app.StopTimeout())
	stopping, cancelStop := context.WithTimeout(context.Background(), app.StopTimeout())
	defer cancelStop()
	err := app.Stop(stopping)
	result := "Stopped."
	if n := unfinishedMessages(err); n > 0 {
		// These downloads take longer than the stop timeout. Another worker does them, or this one
		// after its next start.
		log.Warn("stopped with unfinished messages, they will be redelivered", zap.Error(err))
		result = fmt.Sprintf("Stopped. %d unfinished messages will be redelivered.", n)
		err = nil
	}
	return result, errors.Join(failure, err)
}
