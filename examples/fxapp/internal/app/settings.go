package app

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/download"
)

// Role is which part of FetchBox a process plays.
type Role string

// The roles. All of them share the data directory and the server.
const (
	RoleAll    Role = "all"
	RoleAPI    Role = "api"
	RoleWorker Role = "worker"
	RoleLedger Role = "ledger"
)

func (r Role) is(part Role) bool { return r == RoleAll || r == part }

// Options is what the command line says.
type Options struct {
	// ConfigFile is the YAML file; empty leaves it to FETCHBOX_CONFIG.
	ConfigFile string
	// Data is the directory that the roles share.
	Data string
	Role Role
	// Environ replaces the process's environment when it is not nil.
	Environ []string
	// Spans get all spans, besides the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.
	Spans []sdktrace.SpanProcessor
}

// Server is the section of the application's own HTTP server.
type Server struct {
	// Addr is where it listens.
	Addr string `yaml:"addr"`
	// PublishTimeout is how long a job may take to be confirmed before its
	// submitter is told that it was not.
	PublishTimeout time.Duration `yaml:"publish_timeout"`
}

// Validate reports every fault at once.
func (s Server) Validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(s.Addr); err != nil {
		errs = append(errs, &config.KeyError{Key: "addr", Err: errors.New("must be host:port, such as 127.0.0.1:8080")})
	}
	if s.PublishTimeout <= 0 {
		errs = append(errs, &config.KeyError{Key: "publish_timeout", Err: errors.New("must be more than 0")})
	}
	return errors.Join(errs...)
}

// settings is everything that is configured.
type settings struct {
	Options
	config   config.Config
	server   Server
	download download.Config
	// embedded tells that no server was named.
	embedded bool
}

func load(o Options) (*settings, error) {
	if !slices.Contains([]Role{RoleAll, RoleAPI, RoleWorker, RoleLedger}, o.Role) {
		return nil, fmt.Errorf("-role: must be all, api, worker or ledger, not %q", o.Role)
	}
	s := &settings{Options: o, server: Server{Addr: "127.0.0.1:8080", PublishTimeout: 5 * time.Second}, download: download.Default()}
	opts := []config.Option{
		config.WithFile(o.ConfigFile),
		config.WithSection("server", &s.server),
		config.WithSection("download", &s.download),
		config.WithOverride(s.defaults),
	}
	if o.Environ != nil {
		opts = append(opts, config.WithEnviron(o.Environ))
	}
	var err error
	s.config, err = config.Load(opts...)
	return s, err
}

// defaults are those of the example, where nothing else is configured.
func (s *settings) defaults(c *config.Config, from config.Sources) error {
	if !from.Has("producer.retry.max_retries") {
		c.Producer.Retry.MaxRetries = 2 // three attempts
	}
	if from.Has("iggy.endpoint") {
		return nil
	}
	if s.Role != RoleAll {
		return &config.KeyError{Key: "iggy.endpoint", Err: fmt.Errorf("must be set: a process with the role %s needs a server to share with the others", s.Role)}
	}
	s.embedded = true
	c.Iggy.ClientID, c.Iggy.ClientSecret = embedded.DefaultUsername, config.NewSecret(embedded.DefaultPassword)
	c.Iggy.ClientSecretFile, c.Iggy.Token = "", config.Secret{}
	c.Iggy.TLS = config.TLS{}
	return nil
}
