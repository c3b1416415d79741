package cli

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger is the logger of the library: silent, unless --verbose.
func (a *app) logger() *zap.Logger {
	if !a.verbose {
		return zap.NewNop()
	}
	return a.loggerAt(zapcore.DebugLevel)
}

// loggerAt is a logger to standard error.
func (a *app) loggerAt(level zapcore.Level) *zap.Logger {
	encoder := zap.NewDevelopmentEncoderConfig()
	encoder.EncodeTime = zapcore.ISO8601TimeEncoder
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(encoder), zapcore.Lock(zapcore.AddSync(a.err)), level))
}
