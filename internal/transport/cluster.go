package transport

import (
	"context"
	"net"
	"strconv"
)

// ClusterReader is a Conn that reads the metadata of the server's cluster. A Conn that does not
// implement it belongs to a server without a cluster.
type ClusterReader interface {
	// Cluster reads the metadata of the cluster, which any logged-in user may do.
	Cluster(ctx context.Context) (Cluster, error)
}

// Cluster is the metadata of a cluster. A server without a cluster names itself as the only node.
type Cluster struct {
	Name  string
	Nodes []Node
}

// Node is a server of a cluster.
type Node struct {
	Name string
	// Host and Port are what the node advertises for TCP. Host is mostly an IP address.
	Host string
	Port uint16
	// Leader is false for a follower.
	Leader bool
	Status NodeStatus
}

// Address returns the node's address in the form of net.Dial.
func (n Node) Address() string { return net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port))) }

// NodeStatus is the state of a node as the metadata has it.
type NodeStatus uint8

// NodeHealthy is the state of a node that serves clients.
const NodeHealthy NodeStatus = 0

// String returns the name of the state. Source: core/common/src/types/cluster/status.rs of Iggy
// 0.8.0.
func (s NodeStatus) String() string {
	names := [...]string{"healthy", "starting", "stopping", "unreachable", "maintenance"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown (" + strconv.Itoa(int(s)) + ")"
}
