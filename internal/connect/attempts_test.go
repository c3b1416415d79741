package connect_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

const never = -1

// Each address of each host is tried within the dial timeout of 5 seconds.
func TestAddressesAreTriedInTurn(t *testing.T) {
	t.Parallel()
	works := &fakeHost{login: 190 * time.Millisecond}
	silent := &fakeHost{login: never}
	blackHole := &fakeHost{accepts: never}
	for name, tt := range map[string]struct {
		endpoint string
		hosts    map[string]*fakeHost
		dials    []string
		want     string
		took     time.Duration
	}{
		"the first works": {
			"iggy://two",
			map[string]*fakeHost{"10.0.0.1:8090": works, "10.0.0.2:8090": works},
			[]string{"10.0.0.1:8090"},
			"two:8090", 190 * time.Millisecond,
		},
		"the first refuses": {
			"iggy://two",
			map[string]*fakeHost{"10.0.0.2:8090": works},
			[]string{"10.0.0.1:8090", "10.0.0.2:8090"},
			"two:8090", 190 * time.Millisecond,
		},
		"the first does not accept": {
			"iggy://two",
			map[string]*fakeHost{"10.0.0.1:8090": blackHole, "10.0.0.2:8090": works},
			[]string{"10.0.0.1:8090", "10.0.0.2:8090"},
			"two:8090", 440 * time.Millisecond,
		},
		"the first accepts and does not answer": {
			"iggy://two",
			map[string]*fakeHost{"10.0.0.1:8090": silent, "10.0.0.2:8090": works},
			[]string{"10.0.0.1:8090", "10.0.0.2:8090"},
			"two:8090", 2690 * time.Millisecond,
		},
		"the first is slow and wins": {
			"iggy://two",
			map[string]*fakeHost{"10.0.0.1:8090": {login: 3 * time.Second}, "10.0.0.2:8090": {login: time.Second}},
			[]string{"10.0.0.1:8090", "10.0.0.2:8090"},
			"two:8090", 3 * time.Second,
		},
		"many that do not answer": {
			"iggy://10.0.1.1,10.0.1.2,10.0.1.3,10.0.1.4,10.0.1.5",
			map[string]*fakeHost{
				"10.0.1.1:8090": silent, "10.0.1.2:8090": silent, "10.0.1.3:8090": silent, "10.0.1.4:8090": silent, "10.0.1.5:8090": works,
			},
			[]string{"10.0.1.1:8090", "10.0.1.2:8090", "10.0.1.3:8090", "10.0.1.4:8090", "10.0.1.5:8090"},
			"10.0.1.5:8090", 4190 * time.Millisecond,
		},
		"families alternate": {
			"iggy://both",
			map[string]*fakeHost{"10.0.0.9:8090": works},
			[]string{"[2001:db8::1]:8090", "10.0.0.9:8090"},
			"both:8090", 190 * time.Millisecond,
		},
		"the second host": {
			"iggy://unknown,two:1,other:7",
			map[string]*fakeHost{"10.0.0.3:7": works},
			[]string{"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:7"},
			"other:7", 190 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				network := &fakeNetwork{hosts: tt.hosts, names: map[string][]string{
					"two": {"10.0.0.1", "10.0.0.2"}, "other": {"10.0.0.3"}, "both": {"2001:db8::1", "2001:db8::2", "10.0.0.9"},
				}}
				c := newConnector(t, settings(tt.endpoint), network)
				begin := time.Now()
				connection, err := c.Connect(t.Context())
				require.NoError(t, err)
				require.Equal(t, tt.want, connection.Address)
				require.Equal(t, tt.took, time.Since(begin))
				require.Equal(t, tt.dials, network.dialed())
				require.Equal(t, 1, network.openConns(), "the other connections are closed")
				c.Close()
			})
		})
	}
}

// A name service that does not answer holds up no host that is known.
func TestSilentNameServiceDoesNotDelayOtherHosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &fakeNetwork{hosts: map[string]*fakeHost{"10.0.0.2:8090": {}}}
		c := newConnector(t, settings("iggy://silent,10.0.0.2"), network)
		c.SetLookup(func(ctx context.Context, host string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("lookup %s: %w", host, context.Cause(ctx))
		})
		begin := time.Now()
		connection, err := c.Connect(t.Context())
		require.NoError(t, err)
		require.Equal(t, "10.0.0.2:8090", connection.Address)
		require.Equal(t, 50*time.Millisecond, time.Since(begin))

		delete(network.hosts, "10.0.0.2:8090")
		_, err = c.Connect(t.Context())
		require.ErrorIs(t, err, errRefused)
		require.ErrorContains(t, err, "connect to silent:8090: no connection within the dial timeout of 5s")
	})
}

func TestErrorNamesEachAddress(t *testing.T) {
	t.Parallel()
	foreign := fmt.Errorf("%w: HTTP", iggyerr.ErrProtocol)
	refused := &iggyerr.StatusError{Op: "login", Status: iggyerr.StatusInvalidCredentials}
	for name, tt := range map[string]struct {
		hosts     map[string]*fakeHost
		want      []string
		is        error
		retryable bool
		took      time.Duration
	}{
		"all refuse":       {nil, []string{"10.0.0.1:8090", "10.0.0.2:8090", "no such host: unknown"}, errRefused, true, 0},
		"all are silent":   {map[string]*fakeHost{"10.0.0.1:8090": {login: never}, "10.0.0.2:8090": {accepts: never}}, []string{"no connection within the dial timeout of 5s"}, nil, true, 5 * time.Second},
		"one is foreign":   {map[string]*fakeHost{"10.0.0.1:8090": {loginErr: foreign}}, []string{"HTTP", "10.0.0.2:8090"}, errRefused, true, 0},
		"wrong password":   {map[string]*fakeHost{"10.0.0.1:8090": {loginErr: refused}, "10.0.0.2:8090": {}}, []string{"login"}, iggyerr.ErrCredentials, false, 0},
		"metadata is lost": {map[string]*fakeHost{"10.0.0.1:8090": {clusterErr: &iggyerr.ConnError{Op: "read cluster", Err: errors.New("reset")}}}, []string{"reset"}, nil, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				network := &fakeNetwork{hosts: tt.hosts}
				c := newConnector(t, settings("iggy://10.0.0.1,10.0.0.2,unknown"), network)
				begin := time.Now()
				_, err := c.Connect(t.Context())
				require.Error(t, err)
				for _, text := range tt.want {
					require.ErrorContains(t, err, text)
				}
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
				}
				require.Equal(t, tt.retryable, iggyerr.IsRetryable(err), "%v", err)
				require.Equal(t, tt.took, time.Since(begin))
				require.Zero(t, network.openConns())
			})
		})
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &fakeNetwork{hosts: map[string]*fakeHost{"10.0.0.1:8090": {login: never}}}
		c := newConnector(t, settings("iggy://10.0.0.1"), network)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := c.Connect(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))
		require.Zero(t, network.openConns())
	})
}

func TestCertificateNameIsThatOfTheHost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ serverName, want string }{
		"of the host": {"", "two"},
		"configured":  {"iggy.example", "iggy.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := &fakeNetwork{
				hosts: map[string]*fakeHost{"10.0.0.2:8090": {}},
				names: map[string][]string{"two": {"10.0.0.2"}},
			}
			cfg := settings("iggy://10.0.0.1,two")
			cfg.TLS = config.TLS{Enabled: true, ServerName: tt.serverName}
			connection, err := newConnector(t, cfg, network).Connect(t.Context())
			require.NoError(t, err)
			require.Equal(t, tt.want, connection.Conn.(*fakeConn).tls.ServerName)
			require.Equal(t, tt.want, connection.TLS.ServerName)
		})
	}
}
