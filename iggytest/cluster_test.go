package iggytest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func TestClusterNamesItsLeader(t *testing.T) {
	t.Parallel()
	c := iggytest.NewCluster(t, 3)
	leaders := func(node int) (names []string) {
		t.Helper()
		cluster, err := connect(t, c.Node(node), nil).(transport.ClusterReader).Cluster(t.Context())
		require.NoError(t, err)
		require.Len(t, cluster.Nodes, 3)
		for i, n := range cluster.Nodes {
			require.Equal(t, c.Node(i).Address(), n.Address())
			if n.Leader {
				names = append(names, n.Name)
			}
		}
		return names
	}
	for node := range 3 {
		require.Equal(t, []string{"node-0"}, leaders(node))
	}
	c.SetLeader(2)
	require.Equal(t, []string{"node-2"}, leaders(1))
	c.ChangeView(1, func(m *embedded.Cluster) { m.Nodes[0].Leader = true })
	require.Equal(t, []string{"node-0", "node-2"}, leaders(1))
	require.Equal(t, []string{"node-2"}, leaders(0), "only node 1 has another view")

	c.Node(2).Crash()
	c.Node(2).Start()
	require.Equal(t, []string{"node-2"}, leaders(2), "a node that starts again is in the cluster")
}
