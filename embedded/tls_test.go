package embedded_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	config, ca, err := embedded.SelfSigned("localhost", "127.0.0.1")
	require.NoError(t, err)
	srv := start(t, embedded.WithTLS(config))
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, ca, 0o600))
	client := loggedIn(t, srv, tcp.WithTLS(tcp.WithTLSDomain("localhost"), tcp.WithTLSCAFile(file)))
	_, err = client.CreateStream("secure")
	require.NoError(t, err)

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca))
	for name, fails := range map[string]bool{"localhost": false, "127.0.0.1": false, "example.org": true} {
		nc, err := tls.DialWithDialer(&net.Dialer{Timeout: waitTimeout}, "tcp", srv.Address(), &tls.Config{RootCAs: roots, ServerName: name})
		require.Equal(t, fails, err != nil, "%s: %v", name, err)
		if err == nil {
			require.NoError(t, nc.Close())
		}
	}
	_, err = tls.DialWithDialer(&net.Dialer{Timeout: waitTimeout}, "tcp", srv.Address(), &tls.Config{ServerName: "localhost"})
	require.Error(t, err, "no one trusts the certificate unasked")
}

// TestPlainClientFailsOnTLS sends a request without a TLS handshake.
func TestPlainClientFailsOnTLS(t *testing.T) {
	t.Parallel()
	config, _, err := embedded.SelfSigned()
	require.NoError(t, err)
	srv := start(t, embedded.WithTLS(config))
	c := dial(t, srv)
	c.send(t, frame(embedded.Ping, nil))
	buf := make([]byte, 64)
	for {
		if _, err = c.r.Read(buf); err != nil {
			break
		}
	}
	require.Eventually(t, func() bool { return len(srv.Connections()) == 0 }, waitTimeout, time.Millisecond)
}
