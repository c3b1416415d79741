package fxiggy

import (
	"sync/atomic"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// declaration is an option of this package that affects how the configuration is loaded.
type declaration struct {
	order uint64 // of the calls of declare, since Fx shuffles groups

	// One of:
	options   []config.Option
	fixed     *config.Config
	isCluster bool
	consumer  string

	cluster  string          // of isCluster and consumer
	defaults config.Consumer // of consumer

	sinks []sink // in any of them
}

var declarationCount atomic.Uint64

func declare(d declaration) fx.Option {
	d.order = declarationCount.Add(1)
	return fx.Provide(fx.Annotate(func() declaration { return d }, fx.ResultTags(`group:"iggy.declarations"`)))
}
