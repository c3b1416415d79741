package embedded

import "encoding/binary"

// Cluster is the metadata of a cluster, which clients read after their login to find the leader.
type Cluster struct {
	Name  string
	Nodes []Node
}

// Node is a server of a cluster.
type Node struct {
	Name string
	// Host and Port are the address that the node advertises to clients.
	Host string
	Port uint16
	// Leader is false for a follower.
	Leader bool
	Status NodeStatus
}

// NodeStatus is the state of a node.
type NodeStatus uint8

// The states of a node.
const (
	NodeHealthy NodeStatus = iota
	NodeStarting
	NodeStopping
	NodeUnreachable
	NodeMaintenance
)

// getClusterMetadata answers `[u32 length][cluster name][u32 nodes]` and for each node
// `[u32 length][name][u32 length][ip][u16 tcp port][u16 quic port][u16 http port]
// [u16 websocket port][u8 role][u8 status]`. A leader has role 0, a follower role 1. Ports on which
// the server does not listen are 0.
func (c *conn) getClusterMetadata(none) Status {
	cluster := Cluster{
		Name:  "single-node",
		Nodes: []Node{{Name: "iggy-node", Host: c.server.host, Port: c.server.port, Leader: true}},
	}
	if c.server.opts.cluster != nil {
		cluster = c.server.opts.cluster()
	}
	c.out = appendText(c.out, cluster.Name)
	c.out = binary.LittleEndian.AppendUint32(c.out, uint32(len(cluster.Nodes)))
	for _, n := range cluster.Nodes {
		c.out = appendText(c.out, n.Name)
		c.out = appendText(c.out, n.Host)
		c.out = binary.LittleEndian.AppendUint16(c.out, n.Port)
		c.out = append(c.out, 0, 0, 0, 0, 0, 0)
		c.out = appendBool(c.out, !n.Leader)
		c.out = append(c.out, byte(n.Status))
	}
	return StatusOK
}
