package cli

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// interactiveTimeout replaces the default timeouts: someone waits for the command.
const interactiveTimeout = 5 * time.Second

// loadCluster reads the configuration of the chosen cluster. Its errors are usage errors.
func (a *app) loadCluster() (config.Cluster, error) {
	if a.configured != nil {
		return *a.configured, nil
	}
	endpoint, err := a.parseEndpoint()
	if err != nil {
		return config.Cluster{}, err
	}
	var (
		others  []string
		sources config.Sources
	)
	all, err := a.loadConfig(&others, func(c *config.Config, from config.Sources) error {
		if a.cluster != "" && !from.Has("clusters."+a.cluster) {
			return usagef("--cluster: the configuration has no cluster %q%s", a.cluster, ifAny("; it has ", others))
		}
		sources = from
		a.override(c, from, endpoint)
		return nil
	})
	if err == nil {
		err = sources.Locate(all.ValidateCluster(a.cluster))
	}
	if err != nil {
		return config.Cluster{}, &usageError{err}
	}
	if a.cluster != "" {
		return all.Clusters[a.cluster], nil
	}
	return all.Cluster, nil
}

// loadConfig reads the configuration that services read. others gets the names of the clusters that
// were not chosen.
func (a *app) loadConfig(others *[]string, override func(*config.Config, config.Sources) error) (config.Config, error) {
	opts := append(jobs.Options(), config.WithPrefix(a.prefix), config.WithFile(a.configFile), config.WithOverride(override),
		config.IgnoreUndeclared(func(key string) {
			if name, ok := strings.CutPrefix(key, "clusters."); ok && !strings.Contains(name, ".") && !slices.Contains(*others, name) {
				*others = append(*others, name)
			}
		}))
	if a.cluster != "" {
		opts = append(opts, config.WithCluster(a.cluster, jobs.DefaultCluster()))
	}
	return config.Load(opts...)
}

// isFetchBox reports whether the configuration is that of FetchBox's services, which has their topics.
func (a *app) isFetchBox() bool { return a.prefix == jobs.Prefix }

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
		c.Cluster = config.DefaultCluster() // the sections at the top level are not used
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

// describeServer names the server in output, without credentials.
func describeServer(c config.Iggy) string {
	if c.TLS.Enabled {
		return endpointOf(c) + " (TLS)"
	}
	return endpointOf(c)
}

// endpointOf is the endpoint with the ports of all hosts.
func endpointOf(c config.Iggy) string { return "iggy://" + strings.Join(c.Addresses(), ",") }
