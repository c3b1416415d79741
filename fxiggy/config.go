package fxiggy

import (
	"errors"
	"fmt"
	"maps"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

// ConfigFile loads the configuration from a YAML file, which must exist. Without this option, or
// with an empty path, the environment variable PREFIX_CONFIG names the file; without both there is
// none. Variables of the environment override the file; see config.Load and Prefix.
func ConfigFile(path string) fx.Option { return ConfigOptions(config.WithFile(path)) }

// ConfigOptions passes options to config.Load, for overrides or YAML from memory. Options are
// applied in the order in which these calls are made.
func ConfigOptions(opts ...config.Option) fx.Option { return declare(declaration{options: opts}) }

// Prefix sets the prefix of environment variables: with SHOP, SHOP_CONFIG names the file and
// SHOP__SECTION__KEY sets a key. The default is config.DefaultPrefix with Core; Module has its own.
func Prefix(prefix string) fx.Option { return declare(declaration{prefix: &prefix}) }

// Config uses cfg in place of a file and the environment. Consumers, topics and clusters that the
// application declares and cfg lacks get their defaults. The result is validated.
func Config(cfg config.Config) fx.Option { return declare(declaration{fixed: &cfg}) }

// loaded is the configuration with the sections of the application.
type loaded struct {
	config   config.Config
	sources  config.Sources
	sections map[string]any // pointers
}

func configOf(l *loaded) config.Config { return l.config }

// load loads the configuration with all declarations.
func load(p declarations) (*loaded, error) {
	s, err := declared(p.inOrder())
	if err != nil {
		return nil, err
	}
	l := &loaded{sections: map[string]any{}}
	var sections []config.Option
	for _, one := range s.sections {
		sections = append(sections, one.load(l.sections))
	}
	if s.fixed == nil {
		sources := config.WithOverride(func(_ *config.Config, from config.Sources) error {
			l.sources = from
			return nil
		})
		l.config, err = config.Load(append(append(s.options(), sections...), sources)...)
		return l, err
	}
	if l.config, err = withDefaults(*s.fixed, s.defaults); err != nil {
		return nil, err
	}
	// This sets the sections of the application to their defaults, and validates them.
	_, err = config.Load(append(sections, config.WithYAML("", nil), config.WithEnviron(nil))...)
	return l, err
}

// schema is what the declarations say about the configuration.
type schema struct {
	prefix   *string
	defaults config.Config // of everything that is declared
	given    []config.Option
	sections []*section
	fixed    *config.Config
}

func declared(all []declaration) (*schema, error) {
	s := &schema{defaults: config.Default()}
	s.defaults.Clusters = map[string]config.Cluster{}
	var errs []error
	for _, d := range all {
		switch {
		case d.isCluster:
			errs = append(errs, s.addCluster(d.cluster))
		case d.prefix != nil:
			s.prefix = d.prefix
		case d.section != nil:
			s.sections = append(s.sections, d.section)
		case d.fixed != nil && s.fixed != nil:
			errs = append(errs, errors.New("fxiggy: Config is given twice"))
		case d.fixed != nil:
			s.fixed = d.fixed
		}
		s.given = append(s.given, d.options...)
	}
	for _, d := range all {
		errs = append(errs, s.addComponents(d))
	}
	if s.fixed != nil && len(s.given) > 0 {
		errs = append(errs, errors.New("fxiggy: Config is already loaded: ConfigFile and ConfigOptions can't be used with it"))
	}
	return s, errors.Join(errs...)
}

func (s *schema) addCluster(name string) error {
	if name == "" || name == telemetry.DefaultCluster {
		return fmt.Errorf("fxiggy: cluster %q: must have a name, other than that of the cluster of Core in metrics", name)
	}
	if _, ok := s.defaults.Clusters[name]; ok {
		return fmt.Errorf("fxiggy: cluster %q: there are two of that name", name)
	}
	s.defaults.Clusters[name] = config.DefaultCluster()
	return nil
}

// addComponents adds the consumer and the topic of a declaration, which exist on a cluster.
func (s *schema) addComponents(d declaration) error {
	cluster, ok := s.defaults.Cluster, true
	if d.cluster != "" {
		cluster, ok = s.defaults.Clusters[d.cluster]
	}
	switch {
	case !ok && d.consumer != nil:
		return fmt.Errorf("fxiggy: consumer %q: there is no cluster %q: declare it with fxiggy.Cluster", d.consumer.name, d.cluster)
	case !ok && d.topic != nil:
		return fmt.Errorf("fxiggy: topic %q: there is no cluster %q: declare it with fxiggy.Cluster", d.topic.name, d.cluster)
	case !ok && len(d.producer) > 0:
		return fmt.Errorf("fxiggy: producer: there is no cluster %q: declare it with fxiggy.Cluster", d.cluster)
	}
	if d.consumer != nil {
		if _, exists := cluster.Consumers[d.consumer.name]; exists {
			return fmt.Errorf("fxiggy: consumer %q: there are two of that name", d.consumer.name)
		}
		cluster.Consumers[d.consumer.name] = d.consumer.defaults
	}
	if d.topic == nil {
		return nil
	}
	if first, exists := cluster.Topics.Declared[d.topic.name]; exists && first != d.topic.defaults {
		return fmt.Errorf("fxiggy: topics %s/%s and %s/%s differ and have the same configuration section, topics.%s: set another section with topic.Section",
			first.Stream, first.Name, d.topic.defaults.Stream, d.topic.defaults.Name, d.topic.name)
	}
	cluster.Topics.Declared[d.topic.name] = d.topic.defaults
	return nil
}

// options returns the options of config.Load.
func (s *schema) options() []config.Option {
	var opts []config.Option
	if s.prefix != nil {
		opts = append(opts, config.WithPrefix(*s.prefix))
	}
	for name, c := range s.defaults.Consumers {
		opts = append(opts, config.WithConsumer(name, c))
	}
	for name, t := range s.defaults.Topics.Declared {
		opts = append(opts, config.WithTopic(name, t))
	}
	for name, c := range s.defaults.Clusters {
		opts = append(opts, config.WithCluster(name, c))
	}
	return append(opts, s.given...)
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
