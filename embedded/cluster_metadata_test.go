package embedded_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestClusterMetadataNamesTheNodes(t *testing.T) {
	t.Parallel()
	var leader atomic.Int32
	leader.Store(-1) // the SDK does not continue without a leader
	srv, err := embedded.Start(embedded.WithCluster(func() embedded.Cluster {
		return embedded.Cluster{Name: "c", Nodes: []embedded.Node{
			{Name: "a", Host: "10.0.0.1", Port: 8090, Leader: leader.Load() == 0},
			{Name: "b", Host: "b.example", Port: 8091, Leader: leader.Load() == 1, Status: embedded.NodeMaintenance},
		}}
	}))
	require.NoError(t, err)
	defer srv.Crash()
	c := loggedIn(t, srv)
	for _, leads := range []int32{0, 1} {
		leader.Store(leads)
		cluster, err := c.GetClusterMetadata()
		require.NoError(t, err)
		require.Equal(t, "c", cluster.Name)
		require.Len(t, cluster.Nodes, 2)
		require.Equal(t, "10.0.0.1", cluster.Nodes[0].IP)
		require.EqualValues(t, 8091, cluster.Nodes[1].Endpoints.Tcp)
		require.EqualValues(t, embedded.NodeMaintenance, cluster.Nodes[1].Status)
		require.EqualValues(t, leads, cluster.Nodes[0].Role, "0 is the leader")
		require.EqualValues(t, 1-leads, cluster.Nodes[1].Role)
	}
}
