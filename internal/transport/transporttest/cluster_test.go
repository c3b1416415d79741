package transporttest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// A server names itself as the only node, or all nodes of its cluster.
func testCluster(t *testing.T, b *serverSuite) {
	cluster, err := b.login(t).(transport.ClusterReader).Cluster(within(t))
	require.NoError(t, err)
	require.NotEmpty(t, cluster.Name)
	require.NotEmpty(t, cluster.Nodes)
	var addresses []string
	for _, n := range cluster.Nodes {
		require.Equal(t, transport.NodeHealthy, n.Status)
		require.Equal(t, "healthy", n.Status.String())
		addresses = append(addresses, n.Address())
	}
	require.Contains(t, addresses, strings.Replace(b.server.Address, "localhost", "127.0.0.1", 1))

	_, err = b.dial(t).(transport.ClusterReader).Cluster(within(t))
	var status *iggyerr.StatusError
	require.ErrorAs(t, err, &status, "only after a login")
	require.Equal(t, iggyerr.StatusUnauthenticated, status.Status)
}

// A server of Iggy 0.8 is not taken for a newer one, and stays in order.
func testProtocolProbe(t *testing.T, b *serverSuite) {
	require.NoError(t, b.dialer.(transport.Prober).Probe(within(t), b.server.Address, nil))
	requireUsable(t, b.login(t))
}

// A server of Iggy 0.9 does not answer a login, and answers a probe.
func testNewerServer(t *testing.T, p *peerSuite) {
	prober := p.dialer.(transport.Prober)
	err := prober.Probe(within(t), NewerServer(t, false), nil)
	require.ErrorIs(t, err, iggyerr.ErrProtocol)
	require.ErrorContains(t, err, "a server of Iggy 0.9 or later (protocol versions 0.11.0 to 0.11.0)")
	require.False(t, iggyerr.IsRetryable(err))

	for name, answer := range map[string]string{
		"nothing":  "",
		"HTTP":     "HTTP/1.1 400 Bad Request\r\n\r\n" + strings.Repeat(" ", 300),
		"0.8":      "\x03\x00\x00\x00\x00\x00\x00\x00",
		"zeros":    strings.Repeat("\x00", 256),
		"too soon": strings.Repeat("\x00", 100),
	} {
		address := p.start(t, func(s *peer) {
			_, _ = s.r.Peek(256)
			_, _ = s.Write([]byte(answer))
		})
		require.NoError(t, prober.Probe(within(t), address, nil), name)
	}
	require.NoError(t, prober.Probe(within(t), "127.0.0.1:1", nil), "nobody listens")
}
