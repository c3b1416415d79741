package fxiggy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// declaration is what an option of this package says about the configuration,
// before it is loaded.
type declaration struct {
	order uint64 // Fx shuffles groups

	// One of:
	options   []config.Option
	fixed     *config.Config
	isCluster bool
	consumer  string

	cluster  string          // of isCluster and consumer
	defaults config.Consumer // of consumer
}

// defaultCluster is what the iggy.cluster of metrics says of the unnamed cluster.
const defaultCluster = "default"

var declarations atomic.Uint64

func declare(d declaration) fx.Option {
	d.order = declarations.Add(1)
	return fx.Provide(fx.Annotate(func() declaration { return d }, fx.ResultTags(`group:"iggy.declarations"`)))
}

type configParams struct {
	fx.In
	Declarations []declaration `group:"iggy.declarations"`
}

// newConfig loads the configuration with everything that was declared.
func newConfig(p configParams) (config.Config, error) {
	all := slices.Clone(p.Declarations)
	slices.SortFunc(all, func(a, b declaration) int { return cmp.Compare(a.order, b.order) })
	var (
		options []config.Option
		fixed   *config.Config
		errs    []error
	)
	defaults := config.Default()
	for _, d := range all {
		switch {
		case d.isCluster:
			if d.cluster == "" || d.cluster == defaultCluster {
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
			defaults.Clusters[d.cluster] = config.DefaultCluster()
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
		switch _, taken := cluster.Consumers[d.consumer]; {
		case !ok:
			errs = append(errs, fmt.Errorf("fxiggy: consumer %q: there is no cluster %q, which fxiggy.Named declares", d.consumer, d.cluster))
		case taken:
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
		if len(options) > len(defaults.Consumers)-len(config.Default().Consumers) {
			return config.Config{}, errors.New("fxiggy: Config is already loaded: ConfigFile and ConfigOptions can't be used with it")
		}
		return completed(*fixed, defaults)
	}
	for name, cluster := range defaults.Clusters {
		options = append(options, config.WithCluster(name, cluster))
	}
	return config.Load(options...)
}

// completed is cfg with the sections that it lacks, from defaults.
func completed(cfg, defaults config.Config) (config.Config, error) {
	cfg.Cluster = completedCluster(cfg.Cluster, defaults.Cluster)
	clusters := make(map[string]config.Cluster, len(defaults.Clusters))
	for name, cluster := range cfg.Clusters {
		clusters[name] = cluster
	}
	for name, cluster := range defaults.Clusters {
		if given, ok := cfg.Clusters[name]; ok {
			cluster = completedCluster(given, cluster)
		}
		clusters[name] = cluster
	}
	cfg.Clusters = clusters
	if err := cfg.Validate(); err != nil {
		return config.Config{}, err
	}
	return cfg, nil
}

func completedCluster(cluster, defaults config.Cluster) config.Cluster {
	consumers := make(map[string]config.Consumer, len(defaults.Consumers))
	for name, consumer := range defaults.Consumers {
		consumers[name] = consumer
	}
	for name, consumer := range cluster.Consumers {
		consumers[name] = consumer
	}
	cluster.Consumers = consumers
	return cluster
}
