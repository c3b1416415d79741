package fxiggy

import (
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Module provides everything for the cluster that the top level of the
// configuration describes. An application has it once.
var Module = fx.Module("iggy",
	fx.Provide(newConfig, newRuntime, newBackground, newRegistry, newHandler),
	clusterOptions(""),
)

// Named provides a producer, a *jobs.Publisher, the four consumers and an
// *admin.Admin of a further cluster, with the configuration under clusters.NAME. The
// parameters that take them have its name:
//
//	type Params struct {
//		fx.In
//		Jobs *jobs.Publisher `name:"eu"`
//	}
//
// A consumer.DeadLetters[T] for its consumers, and an fx.Decorate of its jobs.Topics,
// need the name, too. Its health checks are in the registry of Module, which the
// application needs as well; their names begin with the cluster's. Metrics tell it as
// iggy.cluster, which is "default" for that of Module; so no other may have this name.
func Named(name string) fx.Option {
	return fx.Module("iggy."+name,
		declare(declaration{cluster: name, isCluster: true}),
		clusterOptions(name),
	)
}

// clusterOptions is what there is once for each cluster.
func clusterOptions(name string) fx.Option {
	params := func(tags ...string) fx.Annotation { return fx.ParamTags(tags...) }
	named, sink := tag(name), optional(name)
	result := fx.ResultTags(named)
	return fx.Provide(
		fx.Annotate(clusterOf(name), result),
		fx.Annotate(newAdmin, params(named), result),
		fx.Annotate(newProducer, params(named), result),
		fx.Annotate(newTopics, params(named), result),
		fx.Annotate(newPublisher, params(named, named, named), result),
		fx.Annotate(newTasks, params(named, named, named, sink), result),
		fx.Annotate(newStatus, params(named, named, sink), result),
		fx.Annotate(newLogs, params(named, named, sink), result),
		fx.Annotate(newDeadLetters, params(named, named, sink), result),
	)
}

// tag is what Fx calls a named value; empty for an unnamed one.
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

// ConfigFile loads the configuration from a YAML file, which must exist. Without
// it, or with an empty path, the variable FETCHBOX_CONFIG names the file, if there
// is one. The environment goes over the file; see config.Load.
func ConfigFile(path string) fx.Option { return ConfigOptions(config.WithFile(path)) }

// ConfigOptions change how the configuration is loaded: sections of the
// application, overrides, YAML from memory. They are applied in the order
// in which they are made.
func ConfigOptions(opts ...config.Option) fx.Option { return declare(declaration{options: opts}) }

// Config takes a configuration that is already loaded, in place of a file and the
// environment. Consumers and clusters that the application declares and that it lacks
// have their defaults. It is validated.
func Config(cfg config.Config) fx.Option { return declare(declaration{fixed: &cfg}) }
