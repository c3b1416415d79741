package fxiggy

import (
	"context"
	"sync/atomic"

	"go.uber.org/fx"
)

// startMark tells that Fx has begun to run OnStart hooks. From then on Fx ignores hooks that are
// added. Core builds it before all that the application itself invokes, so that its hook is the
// first one, except for those of modules that come before Core.
type startMark struct{ set atomic.Bool }

func newStartMark(lc fx.Lifecycle) *startMark {
	m := &startMark{}
	lc.Append(fx.Hook{OnStart: func(context.Context) error {
		m.set.Store(true)
		return nil
	}})
	return m
}

func (m *startMark) isSet() bool { return m.set.Load() }
