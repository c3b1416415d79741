package transporttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/sdk"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var transports = map[string]struct {
	dialer transport.Dialer
	traits traits
}{
	"native": {native.Dialer{}, traits{keepsAfterCancel: true, boundsMemory: true}},
	"sdk":    {sdk.Dialer{}, traits{}},
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	server, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { stop(t, server) })
	each(t, func(t *testing.T, d transport.Dialer, _ traits) {
		runServer(t, d, testServer{
			Address: server.Address(), Username: embedded.DefaultUsername, Password: embedded.DefaultPassword,
		})
	})
}

func TestRealServer(t *testing.T) {
	t.Parallel()
	endpoint := os.Getenv("IGGY_TEST_ENDPOINT")
	if endpoint == "" {
		t.Skip("IGGY_TEST_ENDPOINT (iggy://user:password@host:port) names no real server: not tried on one")
	}
	u, err := url.Parse(endpoint)
	require.NoError(t, err)
	password, _ := u.User.Password()
	each(t, func(t *testing.T, d transport.Dialer, _ traits) {
		runServer(t, d, testServer{Address: u.Host, Username: u.User.Username(), Password: password})
	})
}

func TestPeers(t *testing.T) {
	t.Parallel()
	each(t, runPeers)
}

func each(t *testing.T, run func(*testing.T, transport.Dialer, traits)) {
	for name, tr := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, tr.dialer, tr.traits)
		})
	}
}

func stop(t *testing.T, s *embedded.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, s.Stop(ctx))
}

func TestTLS(t *testing.T) {
	t.Parallel()
	config, authority, err := embedded.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	client, _, err := embedded.SelfSigned("client")
	require.NoError(t, err)
	other, _, err := embedded.SelfSigned("other")
	require.NoError(t, err)
	// The client's certificate is one for servers, so it is compared and not verified.
	config.ClientAuth = tls.RequireAnyClientCert
	config.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		if !bytes.Equal(raw[0], client.Certificates[0].Certificate[0]) {
			return errors.New("not the client's certificate")
		}
		return nil
	}
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(authority))
	server, err := embedded.Start(embedded.WithTLS(config))
	require.NoError(t, err)
	t.Cleanup(func() { stop(t, server) })
	each(t, func(t *testing.T, d transport.Dialer, _ traits) {
		runTLS(t, d, tlsServer{
			testServer: testServer{
				Address: server.Address(), Username: embedded.DefaultUsername, Password: embedded.DefaultPassword,
			},
			Config: config, Roots: roots, Client: client.Certificates[0], Other: other.Certificates[0],
		})
	})
}
