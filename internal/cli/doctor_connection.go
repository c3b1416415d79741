package cli

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/connect"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
)

// connection checks the way to the leader. It returns a connection to the leader that is logged in,
// or nil when there is none.
func (d *diagnosis) connection(ctx context.Context) *connect.Connection {
	connector, err := connect.New(d.cluster.Iggy, native.Dialer{}, zap.NewNop())
	if err != nil {
		d.fail("address", err, "correct iggy.endpoint, iggy.tls and the login in the configuration")
		return nil
	}
	defer connector.Close()
	if !d.addresses(ctx, connector) {
		return nil
	}
	return d.leader(ctx, connector)
}

// addresses checks each address of the endpoint up to the login. One that works is enough: then the
// failures of the others are warnings.
func (d *diagnosis) addresses(ctx context.Context, connector *connect.Connector) bool {
	targets, err := d.targets(ctx, connector)
	if err != nil {
		d.fail("address", err, "correct the host in iggy.endpoint, or the name service")
	}
	works := false
	for _, t := range targets {
		one := &diagnosis{cluster: d.cluster}
		ok := one.address(ctx, connector, t)
		for _, f := range one.findings {
			if f.Check == "address" || f.Verdict != verdictOK || !works {
				d.findings = append(d.findings, f)
			}
		}
		works = works || ok
	}
	if works {
		for i := range d.findings {
			if d.findings[i].Verdict == verdictFailure {
				d.findings[i].Verdict = verdictWarning
			}
		}
	}
	return works
}

func (d *diagnosis) targets(ctx context.Context, connector *connect.Connector) ([]connect.Target, error) {
	ctx, cancel := d.withDialTimeout(ctx)
	defer cancel()
	return connector.Targets(ctx)
}

func (d *diagnosis) withDialTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := d.cluster.Iggy.DialTimeout
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within the dial timeout of %s", limit))
}

// address checks one address up to the login.
func (d *diagnosis) address(ctx context.Context, connector *connect.Connector, t connect.Target) bool {
	ctx, cancel := d.withDialTimeout(ctx)
	defer cancel()
	nc, err := transport.Connect(ctx, t.Address, nil)
	if err != nil {
		d.fail("address", err, "start the server, or correct iggy.endpoint; a firewall may stand between")
		return false
	}
	transport.Abort(nc)
	name := t.Name
	if t.Name != t.Address {
		name += " (" + t.Address + ")"
	}
	d.ok("address", "%s accepts connections", name)
	connection, err := connector.Dial(ctx, t)
	if err != nil {
		d.fail("TLS", err, "iggy.tls must fit the server: whether it speaks TLS, the authority (ca_file) and the name (server_name) of its certificate")
		return false
	}
	defer func() { _ = connection.Close() }()
	d.encryption(connection, t)
	if err := connector.FirstRequest(ctx, connection, connection.Ping); err != nil {
		d.fail("protocol", err, "iggy.endpoint must be the TCP port of an Iggy server 0.8; is TLS needed?")
		return false
	}
	d.ok("protocol", "the server speaks Iggy's TCP protocol")
	if err := connector.Login(ctx, connection); err != nil {
		fix := "look at the server's log"
		if errors.Is(err, iggyerr.ErrCredentials) {
			fix = "correct iggy.client_id and iggy.client_secret (or iggy.token), or create the user on the server"
		}
		d.fail("login", err, fix)
		return false
	}
	d.ok("login", "accepted")
	return true
}

// encryption says how a connection is encrypted.
func (d *diagnosis) encryption(connection *connect.Connection, t connect.Target) {
	switch cfg := connection.TLS; {
	case cfg != nil && cfg.InsecureSkipVerify:
		d.warn("TLS", "certificates are not verified: anyone on the way can read and change everything", "set iggy.tls.ca_file in place of insecure_skip_verify")
	case cfg != nil:
		d.ok("TLS", "the server's certificate is trusted")
	case !t.IP.IsLoopback():
		d.warn("TLS", "off: the password and all messages travel in plain text", "turn TLS on at the server and iggy.tls.enabled here")
	default:
		d.ok("TLS", "off, on this machine only")
	}
}

// leader connects to the leader of the cluster, and shows the nodes.
func (d *diagnosis) leader(ctx context.Context, connector *connect.Connector) *connect.Connection {
	const check = "cluster"
	connection, err := connector.Connect(ctx)
	if err != nil {
		d.fail(check, err, "start the leader; each node must advertise an address that clients can dial, and the nodes must agree on the leader (IGGY_CLUSTER_NODE_… in the servers' configuration)")
		return nil
	}
	cluster := connection.Cluster
	if len(cluster.Nodes) <= 1 {
		d.ok(check, "a single server")
		return connection
	}
	detail := printable(fmt.Sprintf("%s, at its leader %s: %s", cluster.Name, connection.Address, connect.DescribeNodes(cluster)))
	for _, n := range cluster.Nodes {
		if n.Status != transport.NodeHealthy {
			d.warn(check, detail, "look at the logs of the nodes that are not healthy")
			return connection
		}
	}
	d.ok(check, "%s", detail)
	return connection
}
