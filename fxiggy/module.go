package fxiggy

import (
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// Module provides the components of the cluster that the top level of the configuration describes.
// An application uses it once.
var Module = fx.Module("iggy",
	fx.Provide(newConfig, newRuntime, newBackground, newRegistry, newHandler),
	fx.Provide(newStartMark, fx.Private),
	fx.Invoke(func(*startMark) {}),
	clusterOptions(""),
)

// Named provides a producer, a *jobs.Publisher, the four consumers and an *admin.Admin of another
// cluster, with the configuration section clusters.NAME. Parameters ask for them by name:
//
//	type Params struct {
//		fx.In
//		Jobs *jobs.Publisher `name:"eu"`
//	}
//
// A consumer.DeadLetters[T] for its consumers and an fx.Decorate of its jobs.Topics need the name,
// too. Its health checks are in the registry of Module, which the application needs as well, under
// names that begin with the cluster's. In metrics, iggy.cluster is the name; the cluster of Module
// is "default" there, so no other cluster may have that name.
func Named(name string) fx.Option {
	return fx.Module("iggy."+name,
		declare(declaration{cluster: name, isCluster: true}),
		clusterOptions(name),
	)
}

// clusterOptions provides the components of one cluster.
func clusterOptions(name string) fx.Option {
	params := fx.ParamTags
	named, deadLetters := tag(name), optional(name)
	result := fx.ResultTags(named)
	return fx.Options(declare(declaration{sinks: []sink{
		sinkOf[*jobspb.DownloadTask](name, "tasks", name),
		sinkOf[*jobspb.JobStatus](name, "status", name),
		sinkOf[*jobspb.JobLog](name, "logs", name),
		sinkOf[*jobspb.DeadLetterTask](name, "dlq", name),
	}}), fx.Provide(
		fx.Annotate(clusterOf(name), result),
		fx.Annotate(newAdmin, params(named), result),
		fx.Annotate(newProducer, params(named), result),
		fx.Annotate(newTopics, params(named), result),
		fx.Annotate(newPublisher, params(named, named, named), result),
		fx.Annotate(newTasks, params(named, named, named, deadLetters), result),
		fx.Annotate(newStatus, params(named, named, deadLetters), result),
		fx.Annotate(newLogs, params(named, named, deadLetters), result),
		fx.Annotate(newDeadLetters, params(named, named, deadLetters), result),
	))
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
