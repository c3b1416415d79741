package fxiggy_test

import (
	"context"
	"os"

	"go.uber.org/fx"
	"go.uber.org/zap"
)

// processLog is the log of a process that a test starts: on standard error, without the entries per
// batch.
func processLog() *zap.Logger {
	log, err := zap.NewDevelopment(zap.IncreaseLevel(zap.InfoLevel), zap.AddStacktrace(zap.FatalLevel))
	if err != nil {
		panic(err)
	}
	return log
}

// runUntilSignal runs an application until a signal ends the process, as fx.App.Run does, with the
// same exit codes. It calls started when signals are handled.
func runUntilSignal(app *fx.App, log *zap.Logger, started func()) {
	start, cancel := context.WithTimeout(context.Background(), app.StartTimeout())
	defer cancel()
	if err := app.Start(start); err != nil {
		log.Fatal("start failed", zap.Error(err))
	}
	signals := app.Wait()
	started()
	exit := (<-signals).ExitCode
	end, cancel := context.WithTimeout(context.Background(), app.StopTimeout())
	defer cancel()
	if err := app.Stop(end); err != nil {
		log.Fatal("stop failed", zap.Error(err))
	}
	os.Exit(exit)
}
