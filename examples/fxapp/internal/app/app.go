package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
)

const (
	startTimeout = 15 * time.Second
	stopTimeout  = 15 * time.Second
)

// Run runs the application until ctx ends, and stops it cleanly. It says what
// a user should know on out. Everything is released when it returns.
func Run(ctx context.Context, o Options, log *zap.Logger, out io.Writer) (err error) {
	s, err := load(o)
	if err != nil {
		return err
	}
	data, err := store.Open(o.Data)
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
	observed, err := telemetry.New(ctx, "fetchbox-"+string(o.Role), o.Spans...)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := observed.Stop(ctx); err != nil {
			log.Warn("some telemetry was lost", zap.Error(err))
		}
	}()
	downloader := download.New(s.download)
	defer downloader.Close()

	app := fx.New(
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
		fx.StartTimeout(startTimeout), fx.StopTimeout(stopTimeout),
		fx.Supply(log, data, downloader, observed, greeting{out}),
		s.modules(),
	)
	if err := app.Err(); err != nil {
		return dig.RootCause(err)
	}
	return live(ctx, app, log)
}

// live starts app, waits for an end, and stops it.
func live(ctx context.Context, app *fx.App, log *zap.Logger) error {
	starting, cancel := context.WithTimeout(ctx, app.StartTimeout())
	defer cancel()
	if err := app.Start(starting); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop before it had started
		}
		return err
	}
	var failure error
	select {
	case <-ctx.Done():
	case signal := <-app.Wait():
		if signal.ExitCode != 0 {
			failure = errors.New("stopped because of a fault, see the log")
		}
	}
	log.Info("stopping")
	stopping, cancelStop := context.WithTimeout(context.Background(), app.StopTimeout())
	defer cancelStop()
	err := app.Stop(stopping)
	if onlyUnfinished(err) {
		// Downloads that take longer than a stop may: another worker does them,
		// or this one when it is started again.
		log.Warn("stopped with work in hand, which comes again", zap.Error(err))
		err = nil
	}
	return errors.Join(failure, err)
}

// onlyUnfinished tells whether nothing went wrong but that some records were
// not finished in time.
func onlyUnfinished(err error) bool {
	if err == nil {
		return false
	}
	for _, one := range leaves(err) {
		var unfinished *consumer.StopError
		// What was acknowledged behind an unfinished record comes again with it.
		if !errors.As(one, &unfinished) || unfinished.Unfinished == 0 {
			return false
		}
		if unfinished.Err != nil && !errors.Is(unfinished.Err, consumer.ErrStopDeadline) {
			return false
		}
	}
	return true
}

// leaves are the errors that were joined to err.
func leaves(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // it walks the tree itself
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, leaves(one)...)
	}
	return all
}

// startEmbedded starts a server in this process. It keeps its records beside
// the rest of the data, so that a second start goes on where the first one stopped.
func (s *settings) startEmbedded(log *zap.Logger, out io.Writer) (stop func(), err error) {
	dir := filepath.Join(s.Data, "iggy")
	srv, err := embedded.Start(embedded.WithDirectory(dir), embedded.WithLogger(log))
	if err != nil {
		return nil, err
	}
	s.config.Iggy.Endpoint = "iggy://" + srv.Endpoint()
	fmt.Fprintf(out, "No Iggy server is configured (FETCHBOX__IGGY__ENDPOINT): using an embedded one at %s, which keeps its data in %s.\n", srv.Endpoint(), dir)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			log.Error("the embedded server did not stop cleanly", zap.Error(err))
		}
	}, nil
}

// greeting is where a user is told the address.
type greeting struct{ io.Writer }
