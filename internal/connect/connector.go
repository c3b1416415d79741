package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Connector opens connections to one cluster. All methods are safe for concurrent use.
type Connector struct {
	cfg    config.Iggy
	dialer transport.Dialer
	log    *zap.Logger
	lookup lookup
	// interfaces returns the addresses of this machine.
	interfaces func() ([]net.Addr, error)
	registry   *registry

	mu sync.Mutex
	// leader is the address of the last leader, and nodes are the addresses of all nodes that its
	// metadata named. They are empty for a server without a cluster.
	leader string
	nodes  []string
	// names are hosts of the endpoint by the addresses that they were resolved to.
	names map[string]string
}

// Connection is a logged-in connection to the leader.
type Connection struct {
	transport.Conn
	// Address is the server's host:port as the endpoint or the cluster's metadata names it.
	Address string
	// TLS is the configuration with which the connection was made; nil means plain TCP.
	TLS *tls.Config
	// Cluster is the metadata that the server has sent after the login. It has no nodes when the
	// server is known to be the only one.
	Cluster transport.Cluster

	target Target
}

// New creates a Connector. It reads the secret and certificate files that cfg names, and does no
// other I/O. Each connection reads the files again, so a rotated secret needs no restart. log must
// not be nil.
func New(cfg config.Iggy, dialer transport.Dialer, log *zap.Logger) (*Connector, error) {
	if cfg.Address() == "" {
		return nil, errors.New("iggy.endpoint: must be iggy://host:port or tcp://host:port")
	}
	if _, err := cfg.Credentials(); err != nil {
		return nil, err
	}
	if _, err := cfg.TLSConfig(); err != nil {
		return nil, err
	}
	return &Connector{cfg: cfg, dialer: dialer, log: log, lookup: lookupHost, interfaces: net.InterfaceAddrs, registry: processRegistry, names: map[string]string{}}, nil
}

// Close releases what the Connector knows about its servers. Connections stay open. It may be
// called twice.
func (c *Connector) Close() { c.registry.release(c) }

// Connect opens a connection to the leader and logs in, within ctx and the dial timeout.
//
// It tries the last known leader, the hosts of the endpoint and the other known nodes, in this
// order, and each address of a host. A refused address is followed by the next one at once; one
// that is slow to accept, or does not answer the login, continues while the next one is
// tried. Refused credentials end the attempt, since every server of a cluster has the same users.
//
// An error of a single address is returned as it is. Errors on the way to the leader match
// iggyerr.ErrLeader. Connect returns an error that matches iggyerr.ErrProtocol, without waiting for
// the dial timeout, when the server speaks the protocol of Iggy 0.9 or later.
func (c *Connector) Connect(ctx context.Context) (*Connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.DialTimeout, fmt.Errorf("no connection within the dial timeout of %s", c.cfg.DialTimeout))
	defer cancel()
	l, err := c.newLogin()
	if err != nil {
		return nil, err
	}
	first, err := c.dialAny(ctx, l, c.hosts())
	if err != nil {
		return nil, err
	}
	return c.followLeader(ctx, l, first)
}

// Targets returns the addresses of the endpoint's hosts, in order. The error names the hosts that
// can't be resolved; the other addresses are returned with it.
func (c *Connector) Targets(ctx context.Context) ([]Target, error) {
	s := c.newSearch(ctx, c.cfg.Addresses())
	var errs []error
	for s.lookups > 0 {
		r := <-s.results
		s.add(r)
		errs = append(errs, r.err)
	}
	var all []Target
	for t, ok := s.next(); ok; t, ok = s.next() {
		all = append(all, t)
	}
	return all, joinAttempts(errs...)
}

// Dial makes a connection to one target, which is not logged in.
func (c *Connector) Dial(ctx context.Context, t Target) (*Connection, error) {
	l, err := c.newLogin()
	if err != nil {
		return nil, err
	}
	return c.dial(ctx, l, t)
}

// Login logs in on a connection that Dial made.
func (c *Connector) Login(ctx context.Context, connection *Connection) error {
	l, err := c.newLogin()
	if err != nil {
		return err
	}
	return c.login(ctx, connection, l)
}

// login logs in. When the server refuses the credentials, the error says what is unusual about
// them.
func (c *Connector) login(ctx context.Context, connection *Connection, l login) error {
	err := connection.Login(ctx, l.credentials)
	if errors.Is(err, iggyerr.ErrCredentials) {
		if hint := c.cfg.CredentialsHint(); hint != "" {
			return fmt.Errorf("%w (%s)", err, hint)
		}
	}
	return err
}

// login is what a connection needs beside an address.
type login struct {
	credentials transport.Credentials
	tls         *tls.Config
}

func (c *Connector) newLogin() (login, error) {
	credentials, err := c.cfg.Credentials()
	if err != nil {
		return login{}, err
	}
	encryption, err := c.cfg.TLSConfig()
	if err != nil {
		return login{}, err
	}
	return login{
		credentials: transport.Credentials{
			Username: credentials.Username, Password: credentials.Password.Reveal(), Token: credentials.Token.Reveal(),
		},
		tls: encryption,
	}, nil
}

// remember keeps the addresses of the nodes that the server at from has named, for the next
// connection. leader is empty when the leader was not reached.
func (c *Connector) remember(leader string, from Target, cluster transport.Cluster) {
	var nodes []string
	if len(cluster.Nodes) > 1 {
		for _, n := range cluster.Nodes {
			if c.undialable(from, n) == "" {
				nodes = append(nodes, n.Address())
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leader, c.nodes = leader, nodes
}

// hosts returns the addresses to try, in order and without repetition: the last leader, the
// endpoint, and the other nodes.
func (c *Connector) hosts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	if c.leader != "" {
		all = append(all, c.leader)
	}
	all = append(all, c.cfg.Addresses()...)
	return unique(append(all, c.nodes...))
}

func unique(all []string) []string {
	seen := map[string]bool{}
	kept := all[:0]
	for _, s := range all {
		if !seen[s] {
			seen[s] = true
			kept = append(kept, s)
		}
	}
	return kept
}
