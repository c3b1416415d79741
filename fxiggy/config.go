package fxiggy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// ConfigFile loads the configuration from a YAML file, which must exist. Without this option, or
// with an empty path, the environment variable FETCHBOX_CONFIG names the file; without both there
// is none. Variables of the environment override the file; see config.Load.
func ConfigFile(path string) fx.Option { return ConfigOptions(config.WithFile(path)) }

// ConfigOptions passes options to config.Load, for sections of the application, overrides or YAML
// from memory. Options are applied in the order in which these calls are made.
func ConfigOptions(opts ...config.Option) fx.Option { return declare(declaration{options: opts}) }

// Config uses cfg in place of a file and the environment. Consumers and clusters that the
// application declares and cfg lacks get their defaults. The result is validated.
func Config(cfg config.Config) fx.Option { return declare(declaration{fixed: &cfg}) }

type declarations struct {
	fx.In
	Declarations []declaration `group:"iggy.declarations"`
}

// newConfig loads the configuration with all declarations.
func newConfig(p declarations) (config.Config, error) {
	all := slices.Clone(p.Declarations)
	slices.SortFunc(all, func(a, b declaration) int { return cmp.Compare(a.order, b.order) })
	var (
		options []config.Option
		fixed   *config.Config
		errs    []error
	)
	defaults := config.Default()
	defaults.Cluster = jobs.DefaultCluster()
	for _, d := range all {
		switch {
		case d.isCluster:
			if d.cluster == "" || d.cluster == telemetry.DefaultCluster {
				errs = append(errs, fmt.Errorf("fxiggy: cluster %q: needs a name, and not the one that metrics have for the cluster of Module", d.cluster))
				continue
			}
			if _, ok := defaults.Clusters[d.cluster]; ok {
				errs = append(errs, fmt.Errorf("fxiggy: cluster %q: there are two of that name", d.cluster))
				continue
			}
			if defaults.Clusters == nil {
				defaults.Clusters = map[string]config.Cluster{}
			}
			defaults.Clusters[d.cluster] = jobs.DefaultCluster()
		case d.fixed != nil && fixed != nil:
			errs = append(errs, errors.New("fxiggy: Config is given twice"))
		case d.fixed != nil:
			fixed = d.fixed
		}
		options = append(options, d.options...)
	}
	for _, d := range all {
		if d.consumer == "" {
			continue
		}
		cluster, ok := defaults.Cluster, true
		if d.cluster != "" {
			cluster, ok = defaults.Clusters[d.cluster]
		}
		switch _, exists := cluster.Consumers[d.consumer]; {
		case !ok:
			errs = append(errs, fmt.Errorf("fxiggy: consumer %q: there is no cluster %q, which fxiggy.Named declares", d.consumer, d.cluster))
		case exists:
			errs = append(errs, fmt.Errorf("fxiggy: consumer %q: there are two of that name", d.consumer))
		default:
			cluster.Consumers[d.consumer] = d.defaults
			if d.cluster == "" {
				options = append(options, config.WithConsumer(d.consumer, d.defaults))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return config.Config{}, err
	}
	if fixed != nil {
		if len(options) > len(defaults.Consumers)-len(jobs.DefaultCluster().Consumers) {
			return config.Config{}, errors.New("fxiggy: Config is already loaded: ConfigFile and ConfigOptions can't be used with it")
		}
		return withDefaults(*fixed, defaults)
	}
	for name, cluster := range defaults.Clusters {
		options = append(options, config.WithCluster(name, cluster))
	}
	return config.Load(append(jobs.Options(), options...)...)
}

// withDefaults adds the sections of defaults that cfg lacks.
func withDefaults(cfg, defaults config.Config) (config.Config, error) {
	cfg.Cluster = clusterWithDefaults(cfg.Cluster, defaults.Cluster)
	clusters := make(map[string]config.Cluster, len(defaults.Clusters))
	maps.Copy(clusters, cfg.Clusters)
	for name, cluster := range defaults.Clusters {
		if given, ok := cfg.Clusters[name]; ok {
			cluster = clusterWithDefaults(given, cluster)
		}
		clusters[name] = cluster
	}
	cfg.Clusters = clusters
	if err := cfg.Validate(); err != nil {
		return config.Config{}, err
	}
	return cfg, nil
}

func clusterWithDefaults(cluster, defaults config.Cluster) config.Cluster {
	consumers := make(map[string]config.Consumer, len(defaults.Consumers))
	maps.Copy(consumers, defaults.Consumers)
	maps.Copy(consumers, cluster.Consumers)
	cluster.Consumers = consumers
	topics := make(map[string]config.Topic, len(defaults.Topics.Declared))
	maps.Copy(topics, defaults.Topics.Declared)
	maps.Copy(topics, cluster.Topics.Declared)
	cluster.Topics.Declared = topics
	return cluster
}
