package fxiggy

import (
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"
)

// Logger returns a logger for the events of Fx that logs failures only. When the application can't be
// built, started or stopped, it logs one entry at Error, with the cause as Cause returns it. Fx's own
// loggers log each constructor and hook, and a failure several times.
//
//	fx.New(fxiggy.Core, fx.Provide(zap.NewProduction), fx.WithLogger(fxiggy.Logger), …).Run()
//
// A nil log means none.
func Logger(log *zap.Logger) fxevent.Logger {
	if log == nil {
		log = zap.NewNop()
	}
	// The place in this package says nothing about the fault.
	return failureLogger{log.Named("fx").WithOptions(zap.WithCaller(false), zap.AddStacktrace(zap.FatalLevel))}
}

// failureLogger logs the failures of an application.
type failureLogger struct{ log *zap.Logger }

func (l failureLogger) LogEvent(event fxevent.Event) {
	switch event := event.(type) {
	case *fxevent.Started: // also when the application could not be built
		l.failed("start failed", event.Err)
	case *fxevent.RolledBack:
		l.failed("stop after the failed start failed", event.Err)
	case *fxevent.Stopped:
		l.failed("stop failed", event.Err)
	}
}

func (l failureLogger) failed(message string, err error) {
	if err != nil {
		l.log.Error(message, zap.Error(Cause(err)))
	}
}
