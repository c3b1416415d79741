package fxiggy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

func TestLoggerLogsEachFailureOnce(t *testing.T) {
	t.Parallel()
	startFault, stopFault := errors.New("no disk"), errors.New("no flush")
	hook := func(h fx.Hook) fx.Option { return fx.Invoke(func(lc fx.Lifecycle) { lc.Append(h) }) }
	failing := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	for name, tt := range map[string]struct {
		options fx.Option
		want    []string
	}{
		"none": {fx.Options(), nil},
		"build": {
			fx.Options(fxiggy.Module, fxiggy.ConfigOptions(config.WithEnviron(nil)), fx.Invoke(func(*jobs.Publisher) {})),
			[]string{"start failed: iggy.client_id: must be set, with client_secret or client_secret_file, unless token is (FETCHBOX__IGGY__CLIENT_ID)"},
		},
		"start": {hook(fx.Hook{OnStart: failing(startFault)}), []string{"start failed: no disk"}},
		"start and roll back": {
			fx.Options(hook(fx.Hook{OnStop: failing(stopFault)}), hook(fx.Hook{OnStart: failing(startFault)})),
			[]string{"stop after the failed start failed: no flush", "start failed: 2 faults:\n  - no disk\n  - no flush"},
		},
		"stop": {hook(fx.Hook{OnStop: failing(stopFault)}), []string{"stop failed: no flush"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, logged := observer.New(zapcore.DebugLevel)
			app := fx.New(tt.options, fx.Supply(zap.New(core)), fx.WithLogger(fxiggy.Logger))
			if app.Start(t.Context()) == nil {
				_ = app.Stop(t.Context())
			}
			var got []string
			for _, entry := range logged.FilterLevelExact(zapcore.ErrorLevel).All() {
				got = append(got, entry.Message+": "+entry.ContextMap()["error"].(string))
			}
			require.Equal(t, tt.want, got)
		})
	}
	require.NoError(t, fx.New(fx.Provide(func() *zap.Logger { return nil }), fx.WithLogger(fxiggy.Logger)).Start(t.Context()))
}
