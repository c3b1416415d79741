package fxiggy

import (
	"cmp"
	"slices"
	"sync/atomic"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// declaration is an option of this package that affects how the configuration is loaded, or what
// the components of a cluster are made with.
type declaration struct {
	order uint64 // of the calls of declare, since Fx shuffles groups

	prefix    *string // of environment variables
	options   []config.Option
	fixed     *config.Config
	section   *section
	isCluster bool // of the name cluster

	cluster  string // of the following
	consumer *declaredConsumer
	topic    *declaredTopic
	producer []producer.Option
	sinks    []sinkKey
}

// declaredConsumer is the section of a consumer.
type declaredConsumer struct {
	name     string
	defaults config.Consumer
}

// declaredTopic is the section of a topic.
type declaredTopic struct {
	name     string
	defaults config.Topic
}

var declarationCount atomic.Uint64

func declare(d declaration) fx.Option {
	d.order = declarationCount.Add(1)
	return fx.Provide(fx.Annotate(func() declaration { return d }, fx.ResultTags(`group:"iggy.declarations"`)))
}

type declarations struct {
	fx.In
	Declarations []declaration `group:"iggy.declarations"`
}

// inOrder returns the declarations in the order of the calls of declare.
func (p declarations) inOrder() []declaration {
	return slices.SortedFunc(slices.Values(p.Declarations), func(a, b declaration) int { return cmp.Compare(a.order, b.order) })
}
