package connect

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// maxRedirects bounds the servers on the way to the leader. The official SDKs have 3; a cluster of
// three whose followers each name all others as leaders needs 2.
const maxRedirects = 8

// redirect is a node that a server has named as the leader.
type redirect struct {
	node transport.Node
	// by is the address of that server.
	by string
}

// followLeader connects to the leader of the cluster of a server. It closes the connections on the
// way. A follower of Iggy 0.8.0 names every other node as the leader, so several may be named, and
// the leader is the one that names itself.
func (c *Connector) followLeader(ctx context.Context, l login, current *Connection) (*Connection, error) {
	start := current.Address
	var (
		pending []redirect
		way     []string
		failed  []error
		visited = map[string]bool{}
	)
	for {
		cluster := current.Cluster
		if len(cluster.Nodes) <= 1 {
			c.remember("", current.target, cluster)
			return current, nil
		}
		visited[current.Address], visited[current.target.Address] = true, true
		way = append(way, current.Address)
		named := leaders(cluster)
		for _, n := range named {
			if c.isAt(ctx, current, n) {
				c.remember(current.Address, current.target, cluster)
				return current, nil
			}
		}
		c.remember("", current.target, cluster)
		if len(named) == 0 {
			failed = append(failed, fmt.Errorf("%s names no healthy leader (%s)", current.Address, DescribeNodes(cluster)))
		}
		// The nodes that the newest answer names come first.
		var next []redirect
		for _, n := range named {
			next = append(next, redirect{node: n, by: current.Address})
		}
		pending = append(next, pending...)
		by := current.target
		_ = current.Close()
		current = nil
		for current == nil {
			if len(pending) == 0 {
				return nil, leaderError(start, cluster, way, failed)
			}
			next := pending[0]
			pending = pending[1:]
			address := next.node.Address()
			if visited[address] {
				continue
			}
			visited[address] = true
			if len(way) > maxRedirects {
				failed = append(failed, fmt.Errorf("still not at the leader after %d servers", len(way)))
				return nil, leaderError(start, cluster, way, failed)
			}
			if problem := c.undialable(by, next.node); problem != "" {
				failed = append(failed, fmt.Errorf("the node %s advertises %s, %s", next.node.Name, address, problem))
				continue
			}
			c.log.Info("following the leader", zap.String("address", next.by), zap.String("leader", address), zap.String("node", next.node.Name))
			var err error
			if current, err = c.dialAny(ctx, l, []string{address}); err != nil {
				failed = append(failed, fmt.Errorf("the leader %s at %s, named by %s, can't be reached: %w", next.node.Name, address, next.by, err))
			}
		}
	}
}

// leaderError is the one error of a way that does not end at the leader.
func leaderError(start string, cluster transport.Cluster, way []string, failed []error) error {
	cause := joinAttempts(failed...)
	if cause == nil {
		cause = fmt.Errorf("the servers name each other in a loop: %s", strings.Join(append(way, way[0]), " -> "))
	}
	return &iggyerr.ConnError{Op: "connect", Addr: start, Err: fmt.Errorf("%w %s: %w", iggyerr.ErrLeader, cluster.Name, cause)}
}

// leaders returns the healthy nodes that the metadata names as leaders.
func leaders(cluster transport.Cluster) []transport.Node {
	var all []transport.Node
	for _, n := range cluster.Nodes {
		if n.Leader && n.Status == transport.NodeHealthy {
			all = append(all, n)
		}
	}
	return all
}

// isAt reports whether a connection leads to the node.
func (c *Connector) isAt(ctx context.Context, connection *Connection, n transport.Node) bool {
	t := connection.target
	if t.port != n.Port {
		return false
	}
	host, _, err := net.SplitHostPort(connection.Address)
	if err == nil && strings.EqualFold(host, n.Host) {
		return true
	}
	if ip, err := netip.ParseAddr(n.Host); err == nil {
		return ip.Unmap() == t.IP
	}
	ips, err := c.lookup(ctx, n.Host)
	if err != nil {
		return false
	}
	for _, ip := range ips {
		if ip.Unmap() == t.IP {
			return true
		}
	}
	return false
}

// undialable returns why this process can't dial the address that a node advertises, and "" when
// it can. from is the server that has named the node.
func (c *Connector) undialable(from Target, n transport.Node) string {
	const fix = ": set the node's ip and ports in the configuration of the servers"
	ip, err := netip.ParseAddr(n.Host)
	switch {
	case n.Host == "", n.Port == 0:
		return "which is incomplete" + fix
	case err == nil && (ip.Unmap().IsUnspecified() || ip.IsMulticast()):
		return "which nobody can dial" + fix
	}
	loopback := err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(n.Host, "localhost")
	if loopback && from.IP.IsValid() && !c.onThisMachine(from.IP) {
		return "which only programs on its own machine can dial" + fix
	}
	return ""
}

// onThisMachine reports whether an address is one of this machine.
func (c *Connector) onThisMachine(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	own, err := c.interfaces()
	if err != nil {
		return true
	}
	for _, a := range own {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Unmap() == ip.WithZone("") {
			return true
		}
	}
	return false
}

// DescribeNodes lists the nodes of a cluster with their states.
func DescribeNodes(cluster transport.Cluster) string {
	var all []string
	for _, n := range cluster.Nodes {
		role := "follower"
		if n.Leader {
			role = "leader"
		}
		all = append(all, fmt.Sprintf("%s at %s: %s, %s", n.Name, n.Address(), role, n.Status))
	}
	return strings.Join(all, "; ")
}

// CheckLeader returns an error that matches iggyerr.ErrLeader when the connection's server is no
// longer the leader of its cluster. It makes no request when the server is not part of a cluster.
func (c *Connector) CheckLeader(ctx context.Context, connection *Connection) error {
	reader, ok := connection.Conn.(transport.ClusterReader)
	if !ok || len(connection.Cluster.Nodes) <= 1 {
		return nil
	}
	var cluster transport.Cluster
	err := callback.Recover(func() (err error) {
		cluster, err = reader.Cluster(ctx)
		return err
	})
	if err != nil {
		return err
	}
	named := leaders(cluster)
	if len(named) == 0 {
		// An election is in progress. The connection may be at the next leader already.
		return nil
	}
	for _, n := range named {
		if c.isAt(ctx, connection, n) {
			return nil
		}
	}
	return &iggyerr.ConnError{Op: "check leader", Addr: connection.Address, Err: fmt.Errorf("%w %s: the leader is now %s at %s", iggyerr.ErrLeader, cluster.Name, named[0].Name, named[0].Address())}
}
