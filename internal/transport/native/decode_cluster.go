package native

import (
	"encoding/binary"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

const (
	// maxNodes is the largest number of nodes that the official SDK accepts.
	maxNodes = 64
	// nodeTrailerSize is the size of what follows the host of a node.
	nodeTrailerSize = 10
)

// decodeCluster decodes the name (length u32, bytes), the count of nodes u32 and the nodes: name
// and host (each length u32, bytes), the ports of TCP, QUIC, HTTP and WebSocket (u16 each), role u8
// (0 is the leader), status u8.
func decodeCluster(b []byte) (transport.Cluster, error) {
	size := len(b)
	malformed := func() (transport.Cluster, error) {
		return transport.Cluster{}, transport.Malformed("cluster: %d bytes", size)
	}
	name, b, ok := cutText(b)
	if !ok || len(b) < 4 {
		return malformed()
	}
	count := binary.LittleEndian.Uint32(b)
	b = b[4:]
	if count > maxNodes {
		return transport.Cluster{}, transport.Malformed("cluster: %d nodes", count)
	}
	cluster := transport.Cluster{Name: name, Nodes: make([]transport.Node, count)}
	for i := range cluster.Nodes {
		n := &cluster.Nodes[i]
		if n.Name, b, ok = cutText(b); !ok {
			return malformed()
		}
		if n.Host, b, ok = cutText(b); !ok || len(b) < nodeTrailerSize {
			return malformed()
		}
		n.Port = binary.LittleEndian.Uint16(b)
		n.Leader, n.Status = b[8] == 0, transport.NodeStatus(b[9])
		b = b[nodeTrailerSize:]
	}
	if len(b) > 0 {
		return malformed()
	}
	return cluster, nil
}

// cutText cuts a text, length u32 and bytes, off the beginning of b.
func cutText(b []byte) (text string, rest []byte, ok bool) {
	if len(b) < 4 {
		return "", nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}
