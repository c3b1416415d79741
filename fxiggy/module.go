package fxiggy

import (
	"go.uber.org/fx"
)

// Core provides the components of the cluster that the top level of the configuration describes. An
// application uses it once, and adds its topics with Consume and Publish.
var Core = fx.Module("iggy",
	fx.Provide(load, configOf, newRuntime, newBackground, newRegistry, newHandler),
	fx.Provide(newStartMark, fx.Private),
	fx.Invoke(func(*startMark) {}),
	clusterOptions(""),
)

// Cluster provides a producer and an *admin.Admin of another cluster, under its name, with the
// configuration section clusters.NAME. Consume, Publish and Producer use it with On. The application
// needs Core as well:
//
//	fxiggy.Core, fxiggy.Cluster("eu"), fxiggy.Publish(Orders, fxiggy.On("eu")),
//	fx.Invoke(fx.Annotate(func(p *producer.Publisher[Order]) {…}, fx.ParamTags(`name:"eu"`)))
//
// Its health checks are in the registry of Core, under names that begin with the cluster's. In
// metrics, iggy.cluster is the name; the cluster of Core is "default" there, so no other cluster may
// have that name. Only a cluster of which something is built needs a login.
func Cluster(name string) fx.Option {
	return fx.Module("iggy."+name,
		declare(declaration{cluster: name, isCluster: true}),
		clusterOptions(name),
	)
}

// clusterOptions provides the components of one cluster.
func clusterOptions(name string) fx.Option {
	named := tag(name)
	params, result := fx.ParamTags(named), fx.ResultTags(named)
	return fx.Provide(
		fx.Annotate(clusterOf(name), result),
		fx.Annotate(newAdmin, params, result),
		fx.Annotate(newSharedProducer, fx.ParamTags(named, middlewareGroup), result),
	)
}

// tag is the Fx tag of a named value, or "" for an unnamed one.
func tag(name string) string {
	if name == "" {
		return ""
	}
	return `name:"` + name + `"`
}

// optional is tag for a value that may be missing.
func optional(name string) string {
	if name == "" {
		return `optional:"true"`
	}
	return tag(name) + ` optional:"true"`
}
