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
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
)

const (
	startTimeout = 15 * time.Second
	stopTimeout  = 15 * time.Second
)

// Run runs the application until ctx ends, and stops it cleanly. It writes the addresses of its
// servers to out. All resources are released when it returns.
func Run(ctx context.Context, o Options, log *zap.Logger, out io.Writer) (err error) {
	s, err := loadSettings(o)
	if err != nil {
		return err
	}
	data, err := store.Open(o.Data, store.WithLogger(log))
	if err != nil {
		return fmt.Errorf("-data: %w", err)
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	if s.embedded {
		stop, err := s.startEmbedded(log, out)
		if err != nil {
			return err
		}
		defer stop()
	}
	tel, err := telemetry.New(ctx, "fetchbox-"+string(o.Role), o.SpanProcessors...)
	if err != nil {
		return err
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

	app := fx.New(
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
		fx.StartTimeout(startTimeout), fx.StopTimeout(stopTimeout),
		fx.Supply(log, data, downloader, tel, console{out}),
		s.module(),
	)
	if err := app.Err(); err != nil {
		return fxiggy.Cause(err)
	}
	return runUntilStopped(ctx, app, log)
}

// runUntilStopped starts app, waits until ctx ends or app shuts itself down, and stops app.
func runUntilStopped(ctx context.Context, app *fx.App, log *zap.Logger) error {
	starting, cancel := context.WithTimeout(ctx, app.StartTimeout())
	defer cancel()
	if err := app.Start(starting); err != nil {
		if ctx.Err() != nil {
			return nil // the caller stopped it before it had started
		}
		return fxiggy.Cause(err)
	}
	var failure error
	select {
	case <-ctx.Done():
	case signal := <-app.Wait():
		if signal.ExitCode != 0 {
			failure = errors.New("stopped because of an error, see the log")
		}
	}
	log.Info("stopping")
	stopping, cancelStop := context.WithTimeout(context.Background(), app.StopTimeout())
	defer cancelStop()
	err := app.Stop(stopping)
	if onlyUnfinishedMessages(err) {
		// These downloads take longer than the stop timeout. Another worker does them, or this one
		// after its next start.
		log.Warn("stopped with unfinished messages, they will be redelivered", zap.Error(err))
		err = nil
	}
	return errors.Join(failure, err)
}

// console is the writer for the addresses that a user needs.
type console struct{ io.Writer }
