package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// Server is the configuration section of the application's HTTP server.
type Server struct {
	// Addr is the address to listen on.
	Addr string `yaml:"addr"`
	// ProbeAddr is an address for probes and metrics alone, which requests at Addr can't keep waiting.
	// Empty means none; probes and metrics are at Addr in any case.
	ProbeAddr string `yaml:"probe_addr"`
	// Hosts are the host names and addresses, without ports, by which clients may address the API and
	// the page, in addition to those of the loopback interface. "*" stands for all.
	Hosts []string `yaml:"hosts"`
	// MaxConnections bounds the open connections. More wait until one is closed.
	MaxConnections int `yaml:"max_connections"`
	// MaxStreams bounds the logs that are followed at a time. More get an error.
	MaxStreams int `yaml:"max_streams"`
	// PublishTimeout bounds the wait for the confirmation of a job. After it the submitter gets an
	// error.
	PublishTimeout time.Duration `yaml:"publish_timeout"`
}

// defaultServer returns the default configuration of the HTTP server.
func defaultServer() Server {
	return Server{
		Addr: "127.0.0.1:8080", MaxConnections: 500, MaxStreams: 100, PublishTimeout: 5 * time.Second,
	}
}

// The upper bounds of the numbers.
const (
	maxConnections    = 100_000
	maxPublishTimeout = 5 * time.Minute // no submitter waits for longer
)

// Validate returns all errors at once.
func (s Server) Validate() error {
	var errs []error
	add := func(ok bool, key, rule string) {
		if !ok {
			errs = append(errs, &config.KeyError{Key: key, Err: errors.New(rule)})
		}
	}
	host, port, err := net.SplitHostPort(s.Addr)
	add(err == nil, "addr", "must be host:port, such as 127.0.0.1:8080")
	if s.ProbeAddr != "" {
		probeHost, probePort, err := net.SplitHostPort(s.ProbeAddr)
		add(err == nil, "probe_addr", "must be empty, or host:port, such as 127.0.0.1:8081")
		same := port == probePort && port != "0" && (host == probeHost || isEveryAddress(host) || isEveryAddress(probeHost))
		add(err != nil || !same, "probe_addr", "must be another address than addr")
	}
	for _, host := range s.Hosts {
		_, _, err := net.SplitHostPort(host)
		add(host != "" && err != nil && !strings.Contains(host, "/"), "hosts",
			"must be names or addresses without ports, such as fetchbox.example.com")
	}
	add(s.MaxConnections >= 1 && s.MaxConnections <= maxConnections, "max_connections", "must be 1 to 100000")
	// Other requests than those of streams need connections, too.
	add(s.MaxStreams >= 1 && (s.MaxStreams < s.MaxConnections || s.MaxConnections < 1), "max_streams",
		"must be 1 or more, and less than max_connections")
	add(s.PublishTimeout > 0 && s.PublishTimeout <= maxPublishTimeout, "publish_timeout", fmt.Sprintf("must be more than 0 and at most %v", maxPublishTimeout))
	return errors.Join(errs...)
}

// isEveryAddress reports whether a server that listens at the host uses its port on every address.
func isEveryAddress(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// within returns s with limits of connections and streams that take at most half of the process's file
// descriptors. A stream has a connection and a file. The rest is for workers and for Iggy.
func (s Server) within(descriptors int) Server {
	if s.MaxConnections+s.MaxStreams > descriptors/2 {
		s.MaxConnections = max(min(s.MaxConnections, descriptors/3), 2)
		s.MaxStreams = max(min(s.MaxStreams, s.MaxConnections/2), 1)
	}
	return s
}

// settings is the complete configuration of a process.
type settings struct {
	Options
	config   config.Config
	server   Server
	download download.Config
	// embedded is set when no Iggy server is configured.
	embedded bool
}

// loadSettingsUntil returns the settings, and nil when ctx ends before they are loaded: a configuration
// from standard input may never come. The goroutine that waits for it ends with the process.
func loadSettingsUntil(ctx context.Context, o Options) (*settings, error) {
	type result struct {
		settings *settings
		err      error
	}
	loaded := make(chan result, 1)
	go func() {
		s, err := loadSettings(o)
		loaded <- result{s, err}
	}()
	select {
	case r := <-loaded:
		if r.err != nil {
			return nil, r.err
		}
		return r.settings, nil
	case <-ctx.Done():
		return nil, nil
	}
}

func loadSettings(o Options) (*settings, error) {
	if !slices.Contains([]Role{RoleAll, RoleAPI, RoleWorker, RoleLedger}, o.Role) {
		return nil, fmt.Errorf("-role: must be all, api, worker or ledger, not %q", o.Role)
	}
	s := &settings{
		Options:  o,
		server:   defaultServer(),
		download: download.Default(),
	}
	opts := append(jobs.Options(),
		config.WithFile(o.ConfigFile),
		config.WithSection("server", &s.server),
		config.WithSection("download", &s.download),
		config.WithOverride(s.applyDefaults),
	)
	if o.Environ != nil {
		opts = append(opts, config.WithEnviron(o.Environ))
	}
	var err error
	s.config, err = config.Load(opts...)
	return s, err
}

// applyDefaults sets the example's own defaults of the keys that are not configured.
func (s *settings) applyDefaults(c *config.Config, from config.Sources) error {
	if !from.Has("producer.retry.max_retries") {
		c.Producer.Retry.MaxRetries = 2 // three attempts
	}
	section := jobs.Tasks.Section()
	tasks := c.Consumers[section]
	if tasks.AckMode != config.AckAuto {
		return &config.KeyError{Key: "consumers." + section + ".ack_mode", Err: fmt.Errorf(
			"must be %s: a task is acknowledged when it is done", config.AckAuto)}
	}
	if !from.Has("consumers." + section + ".park_after") {
		tasks.ParkAfter = time.Minute // a server may ask for an hour
		c.Consumers[section] = tasks
	}
	if from.Has("iggy.endpoint") {
		return nil
	}
	if s.Role != RoleAll {
		return &config.KeyError{Key: "iggy.endpoint", Err: fmt.Errorf(
			"must be set: a process with the role %s shares a server with the others", s.Role)}
	}
	s.embedded = true
	c.Iggy.ClientID = embedded.DefaultUsername
	c.Iggy.ClientSecret = config.NewSecret(embedded.DefaultPassword)
	c.Iggy.ClientSecretFile, c.Iggy.Token = "", config.Secret{}
	c.Iggy.TLS = config.TLS{}
	return nil
}
