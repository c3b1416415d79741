package cli

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// patience is how long a command waits for the server when nothing is
// configured: someone sits before it.
const patience = 5 * time.Second

// load reads the configuration, as one cluster. Its faults are usage errors.
func (a *app) load() (config.Cluster, error) {
	environ := ownVariables(os.Environ())
	opts := []config.Option{config.WithEnviron(environ)}
	path := a.configFile
	if path == "" {
		path = os.Getenv(config.FileVariable)
	}
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return config.Cluster{}, usagef("configuration file: %w", err)
		}
		own, declared := ownSections(data)
		opts = append(opts, config.WithYAML(path, own))
		opts = append(opts, declared...)
	}
	if a.cluster != "" {
		opts = append(opts, config.WithCluster(a.cluster, config.DefaultCluster()))
	}
	opts = append(opts, config.WithOverride(a.override))
	all, err := config.Load(opts...)
	if err != nil {
		return config.Cluster{}, &usageError{err}
	}
	if a.cluster != "" {
		return all.Clusters[a.cluster], nil
	}
	return all.Cluster, nil
}

// override lets the command line have the last word.
func (a *app) override(c *config.Config, from config.Sources) error {
	cluster, prefix := &c.Cluster, ""
	if a.cluster != "" {
		named := c.Clusters[a.cluster]
		defer func() { c.Clusters[a.cluster] = named }()
		cluster, prefix = &named, "clusters."+a.cluster+"."
		// The cluster at the top level is not asked for, and need not be complete.
		c.Iggy = named.Iggy
	}
	if !from.Has(prefix + "iggy.start_timeout") {
		cluster.Iggy.StartTimeout = patience
	}
	if !from.Has(prefix + "producer.delivery_timeout") {
		cluster.Producer.DeliveryTimeout = max(2*patience, cluster.Iggy.RequestTimeout)
	}
	if a.endpoint == "" {
		return nil
	}
	endpoint := a.endpoint
	if !strings.Contains(endpoint, "://") {
		endpoint = "iggy://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		// The parser's error would quote it, with a password.
		return errors.New("--endpoint: must be iggy://[user:password@]host:port")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		cluster.Iggy.ClientID, cluster.Iggy.ClientSecret = u.User.Username(), config.NewSecret(password)
		cluster.Iggy.ClientSecretFile, cluster.Iggy.Token = "", config.Secret{}
		u.User = nil
	}
	cluster.Iggy.Endpoint = u.String()
	if a.cluster != "" {
		c.Iggy = cluster.Iggy
	}
	return nil
}

// sections are the keys at the top level that are the library's.
var sections = []string{"iggy", "producer", "consumers", "topics", "health", "clusters"}

// ownSections blanks the sections of other programs in a file that they share,
// line for line, and declares the consumers and clusters that it names: which
// ones there are is the services' matter. A file that is not plain YAML in
// blocks stays as it is, for config.Load to judge.
func ownSections(data []byte) ([]byte, []config.Option) {
	var document yaml.Node
	if yaml.Unmarshal(data, &document) != nil || len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return data, nil
	}
	root := document.Content[0]
	if root.Style&yaml.FlowStyle != 0 {
		return data, nil
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	var opts []config.Option
	known := config.Default().Consumers
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		switch {
		case key.Value == "consumers":
			for _, name := range keys(value) {
				if _, ok := known[name]; !ok {
					opts = append(opts, config.WithConsumer(name, config.DefaultConsumer(name)))
				}
			}
		case slices.Contains(sections, key.Value) || key.Tag == "!!merge":
		default:
			end := len(lines)
			if i+2 < len(root.Content) {
				end = root.Content[i+2].Line - 1
			}
			for l := key.Line - 1; l < end; l++ {
				lines[l] = []byte("\n")
			}
		}
	}
	return bytes.Join(lines, nil), opts
}

func keys(node *yaml.Node) []string {
	var names []string
	if node.Kind == yaml.MappingNode {
		for i := 0; i < len(node.Content); i += 2 {
			names = append(names, node.Content[i].Value)
		}
	}
	return names
}

// ownVariables leaves out the variables for other programs' sections.
func ownVariables(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, ok := strings.CutPrefix(entry, config.Prefix)
		if !ok {
			return false
		}
		section, _, _ := strings.Cut(name, "__")
		return !slices.ContainsFunc(sections, func(s string) bool { return strings.EqualFold(s, section) })
	})
}

// describeServer names the server for messages, without credentials.
func describeServer(c config.Iggy) string {
	scheme := "iggy://"
	if c.TLS.Enabled {
		return fmt.Sprintf("%s%s (TLS)", scheme, c.Address())
	}
	return scheme + c.Address()
}
