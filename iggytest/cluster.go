package iggytest

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// Cluster is a number of servers that name each other as the nodes of a cluster, as servers of Iggy
// 0.8.0 do: one is the leader, nothing is replicated, and a follower carries out every request
// itself. A client must find the leader by the metadata. Each node is a [Server] with faults of its
// own.
type Cluster struct {
	tb    testing.TB
	nodes []*Server

	mu       sync.Mutex
	metadata embedded.Cluster
	views    map[int]embedded.Cluster
}

// NewCluster starts a cluster of so many nodes that ends with the test. Node 0 is the leader. The
// options are those of each embedded server. It fails the test when a server does not start.
func NewCluster(tb testing.TB, nodes int, opts ...embedded.Option) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb, metadata: embedded.Cluster{Name: "iggytest"}, views: map[int]embedded.Cluster{}}
	for i := range nodes {
		view := embedded.WithCluster(func() embedded.Cluster { return c.view(i) })
		s := NewServer(tb, append([]embedded.Option{view}, opts...)...)
		host, port, err := net.SplitHostPort(s.Address())
		if err != nil {
			tb.Fatalf("iggytest: %v", err)
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			tb.Fatalf("iggytest: %v", err)
		}
		c.mu.Lock()
		c.nodes = append(c.nodes, s)
		c.metadata.Nodes = append(c.metadata.Nodes, embedded.Node{
			Name: fmt.Sprintf("node-%d", i), Host: host, Port: uint16(number), Leader: i == 0,
		})
		c.mu.Unlock()
	}
	return c
}

// Node returns the server with this number, counted from 0.
func (c *Cluster) Node(i int) *Server { return c.nodes[i] }

// SetLeader makes another node the leader. Connections stay open.
func (c *Cluster) SetLeader(node int) {
	c.Change(func(m *embedded.Cluster) {
		for i := range m.Nodes {
			m.Nodes[i].Leader = i == node
		}
	})
}

// Change changes the metadata that the nodes serve: a node that is not healthy, for example, or
// advertises a wrong address.
func (c *Cluster) Change(change func(*embedded.Cluster)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.metadata)
}

// ChangeView makes one node serve metadata of its own from now on: what change makes of the
// cluster's. So nodes can disagree on the leader.
func (c *Cluster) ChangeView(node int, change func(*embedded.Cluster)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	view := cloneMetadata(c.metadata)
	change(&view)
	c.views[node] = view
}

func (c *Cluster) view(node int) embedded.Cluster {
	c.mu.Lock()
	defer c.mu.Unlock()
	if view, ok := c.views[node]; ok {
		return view
	}
	return cloneMetadata(c.metadata)
}

func cloneMetadata(m embedded.Cluster) embedded.Cluster {
	m.Nodes = slices.Clone(m.Nodes)
	return m
}
