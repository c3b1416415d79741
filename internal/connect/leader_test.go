package connect_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// cluster returns metadata whose nodes have the given hosts and the port 8090. A leading * marks a
// leader.
func cluster(nodes ...string) transport.Cluster {
	c := transport.Cluster{Name: "c"}
	for _, host := range nodes {
		leader := host[0] == '*'
		if leader {
			host = host[1:]
		}
		c.Nodes = append(c.Nodes, transport.Node{Name: "node " + host, Host: host, Port: 8090, Leader: leader})
	}
	return c
}

// of returns hosts that serve the metadata.
func of(views map[string]transport.Cluster) map[string]*fakeHost {
	hosts := map[string]*fakeHost{}
	for host, c := range views {
		hosts[host+":8090"] = &fakeHost{cluster: c}
	}
	return hosts
}

func TestConnectionFollowsTheLeader(t *testing.T) {
	t.Parallel()
	const a, b, c = "10.0.0.1", "10.0.0.2", "10.0.0.3"
	for name, tt := range map[string]struct {
		endpoint string
		views    map[string]transport.Cluster
		dials    []string
		want     string
	}{
		"from the leader":   {"iggy://" + a, map[string]transport.Cluster{a: cluster("*"+a, b)}, []string{a}, a},
		"from a follower":   {"iggy://" + b, map[string]transport.Cluster{a: cluster("*"+a, b), b: cluster(b, "*"+a)}, []string{b, a}, a},
		"without a cluster": {"iggy://" + b, map[string]transport.Cluster{b: cluster("*" + a)}, []string{b}, b},
		"through a chain":   {"iggy://" + c, map[string]transport.Cluster{a: cluster("*"+a, b, c), b: cluster("*"+a, b, c), c: cluster(a, "*"+b, c)}, []string{c, b, a}, a},
		// Followers of Iggy 0.8.0 name each other node as a leader.
		"followers that name each other": {"iggy://" + a, map[string]transport.Cluster{a: cluster(a, "*"+b, "*"+c), b: cluster(b, "*"+a, "*"+c), c: cluster("*"+c, a, b)}, []string{a, b, c}, c},
		"past a leader that is away":     {"iggy://" + a, map[string]transport.Cluster{a: cluster(a, "*"+b, "*"+c), c: cluster("*"+c, a, b)}, []string{a, b, c}, c},
		"known by its name":              {"iggy://name", map[string]transport.Cluster{a: cluster("*"+a, b)}, []string{a}, "name"},
		"that advertises its name":       {"iggy://" + a, map[string]transport.Cluster{a: cluster("*name", b)}, []string{a}, a},
		"to a name":                      {"iggy://" + b, map[string]transport.Cluster{a: cluster("*name", b), b: cluster(b, "*name")}, []string{b, a}, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := &fakeNetwork{hosts: of(tt.views), names: map[string][]string{"name": {a}}}
			connection, err := newConnector(t, settings(tt.endpoint), network).Connect(t.Context())
			require.NoError(t, err)
			require.Equal(t, tt.want+":8090", connection.Address)
			var dials []string
			for _, host := range tt.dials {
				dials = append(dials, host+":8090")
			}
			require.Equal(t, dials, network.dialed())
			require.Equal(t, 1, network.openConns())
		})
	}
}

func TestLeaderThatIsNotReachedIsOneClearError(t *testing.T) {
	t.Parallel()
	const a, b = "10.0.0.1", "10.0.0.2"
	unhealthy := cluster("*"+a, b)
	unhealthy.Nodes[0].Status = 3
	long := map[string]transport.Cluster{}
	ring := func(i int) string { return net.IPv4(10, 1, 0, byte(i)).String() }
	for i := range 20 {
		long[ring(i)] = cluster(ring(i), "*"+ring(i+1))
	}
	refused := of(map[string]transport.Cluster{b: cluster(b, "*"+a)})
	refused[a+":8090"] = &fakeHost{loginErr: &iggyerr.StatusError{Op: "login", Status: iggyerr.StatusInvalidCredentials}}
	for name, tt := range map[string]struct {
		endpoint string
		hosts    map[string]*fakeHost
		want     []string
		final    bool
	}{
		"away":             {b, of(map[string]transport.Cluster{b: cluster(b, "*"+a)}), []string{"the leader node 10.0.0.1 at 10.0.0.1:8090, named by 10.0.0.2:8090, can't be reached", "connection refused"}, false},
		"loop":             {a, of(map[string]transport.Cluster{a: cluster(a, "*"+b), b: cluster("*"+a, b)}), []string{"the servers name each other in a loop: 10.0.0.1:8090 -> 10.0.0.2:8090 -> 10.0.0.1:8090"}, false},
		"long way":         {ring(0), of(long), []string{"still not at the leader after 9 servers"}, false},
		"no leader":        {b, of(map[string]transport.Cluster{b: cluster(a, b)}), []string{"names no healthy leader (node 10.0.0.1 at 10.0.0.1:8090: follower, healthy; node"}, false},
		"unhealthy leader": {b, of(map[string]transport.Cluster{b: unhealthy}), []string{"names no healthy leader", "leader, unreachable"}, false},
		"any address":      {b, of(map[string]transport.Cluster{b: cluster(b, "*0.0.0.0")}), []string{"the node node 0.0.0.0 advertises 0.0.0.0:8090, which nobody can dial: set the node's ip"}, false},
		"no host":          {b, of(map[string]transport.Cluster{b: cluster(b, "*")}), []string{"advertises :8090, which is incomplete"}, false},
		"loopback":         {b, of(map[string]transport.Cluster{b: cluster(b, "*127.0.0.1")}), []string{"advertises 127.0.0.1:8090, which only programs on its own machine can dial"}, false},
		"unknown name":     {b, of(map[string]transport.Cluster{b: cluster(b, "*iggy-1")}), []string{"iggy-1:8090, named by 10.0.0.2:8090, can't be reached", "no such host"}, false},
		"other users":      {b, refused, []string{"10.0.0.1:8090", "invalid credentials"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := &fakeNetwork{hosts: tt.hosts}
			_, err := newConnector(t, settings("iggy://"+tt.endpoint), network).Connect(t.Context())
			require.ErrorIs(t, err, iggyerr.ErrLeader)
			for _, text := range tt.want {
				require.ErrorContains(t, err, text)
			}
			require.Equal(t, !tt.final, iggyerr.IsRetryable(err))
			require.False(t, iggyerr.MayHaveEffect(err))
			require.Zero(t, network.openConns())
		})
	}
}

func TestLeaderThatIsSilentEndsWithTheDialTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hosts := of(map[string]transport.Cluster{"10.2.0.2": cluster("10.2.0.2", "*10.2.0.1")})
		hosts["10.2.0.1:8090"] = &fakeHost{login: never}
		c := newConnector(t, settings("iggy://10.2.0.2"), &fakeNetwork{hosts: hosts})
		begin := time.Now()
		_, err := c.Connect(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrLeader)
		require.ErrorContains(t, err, "no connection within the dial timeout of 5s")
		require.Equal(t, 5*time.Second, time.Since(begin))
	})
}

// A loopback address may be dialed when the server that advertises it is on this machine.
func TestLoopbackLeaderOfThisMachine(t *testing.T) {
	t.Parallel()
	network := &fakeNetwork{hosts: of(map[string]transport.Cluster{
		"10.0.0.2": cluster("10.0.0.2", "*127.0.0.1"), "127.0.0.1": cluster("10.0.0.2", "*127.0.0.1"),
	})}
	c := newConnector(t, settings("iggy://10.0.0.2"), network)
	c.SetInterfaces(func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(10, 0, 0, 2), Mask: net.CIDRMask(24, 32)}}, nil
	})
	connection, err := c.Connect(t.Context())
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8090", connection.Address)
}

func TestNodesAreRememberedForTheNextConnection(t *testing.T) {
	t.Parallel()
	const a, b, c = "10.0.0.1", "10.0.0.2", "10.0.0.3"
	network := &fakeNetwork{hosts: of(map[string]transport.Cluster{
		a: cluster("*"+a, b, c), b: cluster("*"+a, b, c), c: cluster("*"+a, b, c),
	})}
	connector := newConnector(t, settings("iggy://"+b), network)
	to := func(host string, dials ...string) {
		t.Helper()
		network.forgetDials()
		connection, err := connector.Connect(t.Context())
		require.NoError(t, err)
		require.Equal(t, host+":8090", connection.Address)
		for i, host := range dials {
			dials[i] = host + ":8090"
		}
		require.Equal(t, dials, network.dialed())
		require.NoError(t, connection.Close())
	}
	to(a, b, a)
	to(a, a) // at once
	// The leader and the endpoint are gone, and the last node leads.
	for _, host := range []string{a, b} {
		delete(network.hosts, host+":8090")
	}
	network.hosts[c+":8090"].cluster = cluster(a, b, "*"+c)
	to(c, a, b, c)
	to(c, c)
}

// A process asks a server without a cluster once, whatever the number of connections, until an
// attempt to connect to it has failed.
func TestSingleServerIsAskedOnce(t *testing.T) {
	t.Parallel()
	const address = "10.3.0.1:8090"
	asked := 0
	network := &fakeNetwork{hosts: map[string]*fakeHost{address: {}}}
	counting := countingDialer{network, &asked}
	connect := func() {
		t.Helper()
		c := newConnectorWith(t, settings("iggy://10.3.0.1"), counting, network)
		for range 2 {
			connection, err := c.Connect(t.Context())
			require.NoError(t, err)
			require.NoError(t, connection.Close())
		}
	}
	connect()
	connect()
	require.Equal(t, 1, asked)

	host := network.hosts[address]
	delete(network.hosts, address)
	c := newConnectorWith(t, settings("iggy://10.3.0.1"), counting, network)
	_, err := c.Connect(t.Context())
	require.ErrorIs(t, err, errRefused)
	// It was away, and comes back as a follower.
	network.hosts[address] = host
	host.cluster = cluster("10.3.0.1", "*10.3.0.2")
	network.hosts["10.3.0.2:8090"] = &fakeHost{cluster: cluster("10.3.0.1", "*10.3.0.2")}
	connection, err := c.Connect(t.Context())
	require.NoError(t, err)
	require.Equal(t, "10.3.0.2:8090", connection.Address)
}

// A server that does not know the command is the only one.
func TestServerWithoutClusterMetadata(t *testing.T) {
	t.Parallel()
	network := &fakeNetwork{hosts: map[string]*fakeHost{
		"10.4.0.1:8090": {clusterErr: &iggyerr.StatusError{Op: "read cluster", Status: 5}},
	}}
	connection, err := newConnector(t, settings("iggy://10.4.0.1"), network).Connect(t.Context())
	require.NoError(t, err)
	require.Empty(t, connection.Cluster.Nodes)
}

func TestCheckLeader(t *testing.T) {
	t.Parallel()
	network := &fakeNetwork{hosts: of(map[string]transport.Cluster{"10.5.0.1": cluster("*10.5.0.1", "10.5.0.2")})}
	c := newConnector(t, settings("iggy://10.5.0.1"), network)
	connection, err := c.Connect(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.CheckLeader(t.Context(), connection))
	host := network.hosts["10.5.0.1:8090"]
	host.cluster = cluster("10.5.0.1", "10.5.0.2")
	require.NoError(t, c.CheckLeader(t.Context(), connection), "an election is in progress")
	host.cluster = cluster("10.5.0.1", "*10.5.0.2")
	err = c.CheckLeader(t.Context(), connection)
	require.ErrorIs(t, err, iggyerr.ErrLeader)
	require.ErrorContains(t, err, "the leader is now node 10.5.0.2 at 10.5.0.2:8090")
	require.True(t, iggyerr.BreaksConnection(err))
	host.clusterErr = context.DeadlineExceeded
	require.ErrorIs(t, c.CheckLeader(t.Context(), connection), context.DeadlineExceeded)
}

// A node advertises an IP address, and its certificate has the name by which the endpoint knows it.
func TestCertificateNameOfTheLeader(t *testing.T) {
	t.Parallel()
	const a, b = "10.6.0.1", "10.6.0.2"
	network := &fakeNetwork{
		hosts: of(map[string]transport.Cluster{a: cluster("*"+a, b), b: cluster("*"+a, b)}),
		names: map[string][]string{"iggy-a": {a}, "iggy-b": {b}},
	}
	for endpoint, want := range map[string]string{"iggy://iggy-b,iggy-a": "iggy-a", "iggy://iggy-b": a} {
		cfg := settings(endpoint)
		cfg.TLS.Enabled = true
		connection, err := newConnector(t, cfg, network).Connect(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, connection.TLS.ServerName)
	}
}

// The next connection goes to the leader at once, whose address has the endpoint's name.
func TestCertificateNameOfTheRememberedLeader(t *testing.T) {
	t.Parallel()
	const a, b = "10.7.0.1", "10.7.0.2"
	network := &fakeNetwork{
		hosts: of(map[string]transport.Cluster{a: cluster("*"+a, b), b: cluster("*"+a, b)}),
		names: map[string][]string{"iggy-a": {a}, "iggy-b": {b}},
	}
	cfg := settings("iggy://iggy-b,iggy-a")
	cfg.TLS.Enabled = true
	c := newConnector(t, cfg, network)
	for range 2 {
		network.forgetDials()
		connection, err := c.Connect(t.Context())
		require.NoError(t, err)
		require.Equal(t, "iggy-a", connection.TLS.ServerName)
	}
	require.Equal(t, []string{a + ":8090"}, network.dialed())
}
