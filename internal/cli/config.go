package cli

import (
	"bytes"
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
	endpoint, err := a.parseEndpoint()
	if err != nil {
		return config.Cluster{}, err
	}
	ours := sections
	if a.cluster == "" {
		ours = slices.DeleteFunc(slices.Clone(ours), func(s string) bool { return s == clustersSection })
	}
	var root *yaml.Node
	var opts []config.Option
	clusters := []string{a.cluster}
	path := a.configFile
	if path == "" {
		path = os.Getenv(config.FileVariable)
	}
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return config.Cluster{}, usagef("configuration file: %w", err)
		}
		root = mapping(data)
		opts = append(opts, config.WithYAML(path, ownSections(data, root, ours)))
		for _, name := range otherConsumers(value(root, "consumers")) {
			opts = append(opts, config.WithConsumer(name, config.DefaultConsumer(name)))
		}
		clusters = append(clusters, keys(value(root, clustersSection))...)
		for i, name := range clusters {
			if a.cluster != "" && slices.Index(clusters, name) == i {
				opts = append(opts, config.WithCluster(name, clusterOf(value(value(root, clustersSection), name))))
			}
		}
	} else if a.cluster != "" {
		opts = append(opts, config.WithCluster(a.cluster, config.DefaultCluster()))
	}
	opts = append(opts, config.WithEnviron(ownVariables(os.Environ(), ours, keys(root))), config.WithOverride(func(c *config.Config, from config.Sources) error {
		a.override(c, from, endpoint)
		return nil
	}))
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
func (a *app) override(c *config.Config, from config.Sources, endpoint *url.URL) {
	cluster, prefix := &c.Cluster, ""
	if a.cluster != "" {
		named := c.Clusters[a.cluster]
		cluster, prefix = &named, "clusters."+a.cluster+"."
	}
	if !from.Has(prefix + "iggy.start_timeout") {
		cluster.Iggy.StartTimeout = patience
	}
	if !from.Has(prefix + "producer.delivery_timeout") {
		cluster.Producer.DeliveryTimeout = max(2*patience, cluster.Iggy.RequestTimeout)
	}
	if endpoint != nil {
		if endpoint.User != nil {
			password, _ := endpoint.User.Password()
			cluster.Iggy.ClientID, cluster.Iggy.ClientSecret = endpoint.User.Username(), config.NewSecret(password)
			cluster.Iggy.ClientSecretFile, cluster.Iggy.Token = "", config.Secret{}
		}
		bare := *endpoint
		bare.User = nil
		cluster.Iggy.Endpoint = bare.String()
	}
	if a.cluster != "" {
		c.Clusters[a.cluster] = *cluster
		// The one at the top level is not asked for, and need not be complete.
		c.Cluster = config.DefaultCluster()
		c.Iggy.ClientID, c.Iggy.ClientSecret = "unused", config.NewSecret("unused")
	}
}

// parseEndpoint reads --endpoint, which is nil when it is not given.
func (a *app) parseEndpoint() (*url.URL, error) {
	if a.endpoint == "" {
		return nil, nil
	}
	endpoint := a.endpoint
	if !strings.Contains(endpoint, "://") {
		endpoint = "iggy://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		// The parser's error would quote it, with a password.
		return nil, usagef("--endpoint must be iggy://[user:password@]host:port")
	}
	return u, nil
}

const clustersSection = "clusters"

// sections are the keys at the top level that are the library's.
var sections = []string{"iggy", "producer", "consumers", "topics", "health", clustersSection}

// mapping is a file's root, nil when it is not plain YAML in blocks.
func mapping(data []byte) *yaml.Node {
	var document yaml.Node
	if yaml.Unmarshal(data, &document) != nil || len(document.Content) != 1 {
		return nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode || root.Style&yaml.FlowStyle != 0 {
		return nil
	}
	return root
}

// value is what stands under a key, nil when there is none.
func value(node *yaml.Node, key string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

func keys(node *yaml.Node) []string {
	var names []string
	if node != nil && node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			names = append(names, node.Content[i].Value)
		}
	}
	return names
}

// misspelt tells whether a section that is not the library's looks like one of its own
// that the file lacks. It stays, for config.Load to refuse: to go on with defaults in
// the place of what it says would be worse. Beside the right one it is another program's.
func misspelt(name string, present []string) bool {
	meant := config.SectionMeant(name)
	return meant != "" && meant != name && !slices.Contains(present, meant)
}

// ownSections blanks the sections of other programs in a file that they share,
// line for line. A file that has no root stays as it is, for config.Load to
// judge.
func ownSections(data []byte, root *yaml.Node, ours []string) []byte {
	if root == nil {
		return data
	}
	present := keys(root)
	lines := bytes.SplitAfter(data, []byte("\n"))
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := root.Content[i]
		if slices.Contains(ours, key.Value) || key.Tag == "!!merge" || misspelt(key.Value, present) {
			continue
		}
		end := len(lines)
		if i+2 < len(root.Content) {
			end = root.Content[i+2].Line - 1
		}
		for l := key.Line - 1; l < end; l++ {
			lines[l] = []byte("\n")
		}
	}
	return bytes.Join(lines, nil)
}

// otherConsumers are those that a services' program declares: which ones there
// are is its own matter.
func otherConsumers(node *yaml.Node) []string {
	known := config.DefaultCluster().Consumers
	return slices.DeleteFunc(keys(node), func(name string) bool {
		_, ok := known[name]
		return ok
	})
}

func clusterOf(node *yaml.Node) config.Cluster {
	c := config.DefaultCluster()
	for _, name := range otherConsumers(value(node, "consumers")) {
		c.Consumers[name] = config.DefaultConsumer(name)
	}
	return c
}

// ownVariables leaves out the variables for other programs' sections. Those stay
// whose section is a misspelling, unless the file has a section of this name.
func ownVariables(environ, ours, present []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, ok := strings.CutPrefix(entry, config.Prefix)
		if !ok {
			return false
		}
		section, _, _ := strings.Cut(name, "__")
		is := func(s string) bool { return strings.EqualFold(s, section) }
		if slices.ContainsFunc(ours, is) {
			return false
		}
		return slices.ContainsFunc(present, is) || slices.ContainsFunc(sections, is) || config.SectionMeant(section) == ""
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
