package cli

import (
	"bytes"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// interactiveTimeout replaces the default timeouts: someone waits for the command.
const interactiveTimeout = 5 * time.Second

// loadCluster reads the configuration of the chosen cluster. Its errors are usage errors.
func (a *app) loadCluster() (config.Cluster, error) {
	endpoint, err := a.parseEndpoint()
	if err != nil {
		return config.Cluster{}, err
	}
	used := sections
	if a.cluster == "" {
		used = slices.DeleteFunc(slices.Clone(used), func(s string) bool { return s == clustersSection })
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
		opts = append(opts, config.WithYAML(path, blankOtherSections(data, root, used)))
		for _, name := range applicationConsumers(value(root, "consumers")) {
			opts = append(opts, config.WithConsumer(name, config.DefaultConsumer(name)))
		}
		clusters = append(clusters, keys(value(root, clustersSection))...)
		for i, name := range clusters {
			if a.cluster != "" && slices.Index(clusters, name) == i {
				opts = append(opts, config.WithCluster(name, clusterDefaults(value(value(root, clustersSection), name))))
			}
		}
	} else if a.cluster != "" {
		opts = append(opts, config.WithCluster(a.cluster, config.DefaultCluster()))
	}
	opts = append(opts, config.WithEnviron(libraryVariables(os.Environ(), used, keys(root))), config.WithOverride(func(c *config.Config, from config.Sources) error {
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

// override applies the flags and the interactive timeouts, over all other layers.
func (a *app) override(c *config.Config, from config.Sources, endpoint *endpointFlag) {
	cluster, prefix := &c.Cluster, ""
	if a.cluster != "" {
		named := c.Clusters[a.cluster]
		cluster, prefix = &named, "clusters."+a.cluster+"."
	}
	cluster.Iggy.Start = config.StartWait // a command needs the server
	if !from.Has(prefix + "iggy.start_timeout") {
		cluster.Iggy.StartTimeout = interactiveTimeout
	}
	if !from.Has(prefix + "producer.delivery_timeout") {
		cluster.Producer.DeliveryTimeout = max(2*interactiveTimeout, cluster.Iggy.RequestTimeout)
	}
	if endpoint != nil {
		if user := endpoint.user; user != nil {
			password, _ := user.Password()
			cluster.Iggy.ClientID, cluster.Iggy.ClientSecret = user.Username(), config.NewSecret(password)
			cluster.Iggy.ClientSecretFile, cluster.Iggy.Token = "", config.Secret{}
		}
		cluster.Iggy.Endpoint = endpoint.hosts
	}
	if a.cluster != "" {
		c.Clusters[a.cluster] = *cluster
		// The sections at the top level are not used, so they need not be complete.
		c.Cluster = config.DefaultCluster()
		c.Iggy.ClientID, c.Iggy.ClientSecret = "unused", config.NewSecret("unused")
	}
}

// endpointFlag is the value of --endpoint: the hosts in the form of iggy.endpoint, and the user.
type endpointFlag struct {
	hosts string
	user  *url.Userinfo // nil without one
}

// parseEndpoint parses --endpoint. It returns nil when the flag is not set.
func (a *app) parseEndpoint() (*endpointFlag, error) {
	if a.endpoint == "" {
		return nil, nil
	}
	scheme, rest, ok := strings.Cut(a.endpoint, "://")
	if !ok {
		scheme, rest = "iggy", a.endpoint
	}
	// A URL has one host, so the others are cut off before the first one is parsed.
	first, others, several := strings.Cut(rest[strings.LastIndex(rest, "@")+1:], ",")
	u, err := url.Parse(scheme + "://" + rest[:strings.LastIndex(rest, "@")+1] + first)
	if err != nil {
		// The parser's error quotes the URL, which may hold a password.
		return nil, usagef("--endpoint must be iggy://[user:password@]host:port[,host:port…]")
	}
	flag := &endpointFlag{user: u.User}
	u.User = nil
	flag.hosts = u.String()
	if several {
		flag.hosts += "," + others
	}
	return flag, nil
}

const clustersSection = "clusters"

// sections are the library's sections at the top level of a file.
var sections = []string{"iggy", "producer", "consumers", "topics", "health", clustersSection}

// mapping returns the root of a YAML file, nil when it is not a mapping in block style.
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

// value returns the value of a key in a mapping, nil when there is none.
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

// keys returns the keys of a mapping. keys returns the keys of a mapping.
func keys(node *yaml.Node) []string {
	var names []string
	if node != nil && node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			names = append(names, node.Content[i].Value)
		}
	}
	return names
}

// looksMisspelt reports whether an unknown section looks like one of the library's that the file
// does not have. It is left in the file, so that config.Load refuses it: the defaults in place of
// the section would be worse. When the file also has the right section, the unknown one belongs to
// another program.
func looksMisspelt(name string, present []string) bool {
	meant := config.ClosestSection(name)
	return meant != "" && meant != name && !slices.Contains(present, meant)
}

// blankOtherSections replaces the sections of other programs by empty lines, so that the line
// numbers in errors stay right. A file without a root stays as it is: config.Load refuses it.
func blankOtherSections(data []byte, root *yaml.Node, used []string) []byte {
	if root == nil {
		return data
	}
	present := keys(root)
	lines := bytes.SplitAfter(data, []byte("\n"))
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := root.Content[i]
		if slices.Contains(used, key.Value) || key.Tag == "!!merge" || looksMisspelt(key.Value, present) {
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

// applicationConsumers are the consumers in a file that an application declares.
func applicationConsumers(node *yaml.Node) []string {
	known := config.DefaultCluster().Consumers
	return slices.DeleteFunc(keys(node), func(name string) bool {
		_, ok := known[name]
		return ok
	})
}

// clusterDefaults are the defaults of a named cluster with the consumers that its section names.
func clusterDefaults(node *yaml.Node) config.Cluster {
	c := config.DefaultCluster()
	for _, name := range applicationConsumers(value(node, "consumers")) {
		c.Consumers[name] = config.DefaultConsumer(name)
	}
	return c
}

// libraryVariables removes the variables of other programs' sections. Variables of a misspelt
// section stay, so that config.Load refuses them, unless the file has a section of that name.
func libraryVariables(environ, used, present []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, ok := strings.CutPrefix(entry, config.Prefix)
		if !ok {
			return false
		}
		section, _, _ := strings.Cut(name, "__")
		is := func(s string) bool { return strings.EqualFold(s, section) }
		if slices.ContainsFunc(used, is) {
			return false
		}
		return slices.ContainsFunc(present, is) || slices.ContainsFunc(sections, is) || config.ClosestSection(section) == ""
	})
}

// describeServer names the server in output, without credentials.
func describeServer(c config.Iggy) string {
	if c.TLS.Enabled {
		return endpointOf(c) + " (TLS)"
	}
	return endpointOf(c)
}

// endpointOf is the endpoint with the ports of all hosts.
func endpointOf(c config.Iggy) string { return "iggy://" + strings.Join(c.Addresses(), ",") }
