package fxiggy

import (
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Module is Core and FetchBox's four topics with their publisher and consumers. The prefix of
// environment variables is FETCHBOX.
var Module = fx.Module("fetchbox", Core, Prefix(jobs.Prefix), fetchBox(""))

// Named is Cluster and FetchBox's four topics on it. The application needs Module as well:
//
//	type Params struct {
//		fx.In
//		Jobs *jobs.Publisher `name:"eu"`
//	}
//
// A consumer.DeadLetters[T] for its consumers and an fx.Decorate of its jobs.Topics need the name,
// too.
func Named(name string) fx.Option {
	return fx.Module("fetchbox."+name, Cluster(name), fetchBox(name))
}

// fetchBox declares FetchBox's topics on a cluster, as any application declares its own.
func fetchBox(cluster string) fx.Option {
	on, named := On(cluster), tag(cluster)
	operators := Defaults(config.DefaultConsumer(jobs.GroupOperators))
	topics := func(cfg config.Config) jobs.Topics {
		if cluster == "" {
			return jobs.FromConfig(cfg.Topics)
		}
		return jobs.FromConfig(cfg.Clusters[cluster].Topics)
	}
	return fx.Options(
		Publish(jobs.Tasks, on), Publish(jobs.Status, on), Publish(jobs.Logs, on), Publish(jobs.DeadLetters, on),
		Consume(jobs.Tasks, jobs.Tasks.Section(), on, Defaults(config.DefaultConsumer(jobs.GroupWorkers)), DeadLettersTo[*jobs.Publisher](), Parking()),
		Consume(jobs.Status, jobs.Status.Section(), on, operators),
		Consume(jobs.Logs, jobs.Logs.Section(), on, operators),
		Consume(jobs.DeadLetters, jobs.DeadLetters.Section(), on, operators),
		fx.Provide(
			fx.Annotate(topics, fx.ResultTags(named)),
			fx.Annotate(topicsOf, fx.ParamTags(named), fx.ResultTags(named, named, named, named)),
			fx.Annotate(jobs.PublisherOf, fx.ParamTags(named, named, named, named), fx.ResultTags(named)),
		),
	)
}

// topicsOf gives Publish and Consume the topics that the application may have decorated.
func topicsOf(t jobs.Topics) (
	topic.Topic[*jobspb.DownloadTask], topic.Topic[*jobspb.JobStatus], topic.Topic[*jobspb.JobLog], topic.Topic[*jobspb.DeadLetterTask],
) {
	return t.Tasks, t.Status, t.Logs, t.DeadLetters
}
