package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// certificate writes a self-signed certificate and its key.
func certificate(t *testing.T, host string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", secret)
}

func TestTLSConfigOff(t *testing.T) {
	t.Parallel()
	c, err := valid().Iggy.TLSConfig()
	require.NoError(t, err)
	require.Nil(t, c)
}

func TestTLSConfigConnectsToAServer(t *testing.T) {
	t.Parallel()
	certFile, keyFile := certificate(t, "broker.example")
	_, otherKey := certificate(t, "other.example")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)

	handshake := func(i config.Iggy) error {
		c, err := i.TLSConfig()
		require.NoError(t, err)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		served := make(chan struct{})
		go func() {
			defer close(served)
			conn, err := listener.Accept()
			if err == nil {
				_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}).Handshake() //nolint:gosec // a test's
				_ = conn.Close()
			}
		}()
		conn, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		err = tls.Client(conn, c).Handshake()
		require.NoError(t, conn.Close())
		<-served
		require.NoError(t, listener.Close())
		return err
	}
	i := config.Iggy{Endpoint: "iggy://broker.example", TLS: config.TLS{Enabled: true, CAFile: certFile}}
	require.NoError(t, handshake(i))

	i.TLS.CertFile, i.TLS.KeyFile = certFile, keyFile
	require.NoError(t, handshake(i))

	i.TLS.CAFile = ""
	require.ErrorContains(t, handshake(i), "unknown authority")
	i.TLS.InsecureSkipVerify = true
	require.NoError(t, handshake(i))

	i = config.Iggy{Endpoint: "iggy://10.0.0.1", TLS: config.TLS{Enabled: true, CAFile: certFile}}
	require.ErrorContains(t, handshake(i), "10.0.0.1")
	i.TLS.ServerName = "broker.example"
	require.NoError(t, handshake(i))

	i.TLS.CertFile, i.TLS.KeyFile = certFile, otherKey
	_, err = i.TLSConfig()
	require.ErrorContains(t, err, "iggy.tls.cert_file: "+certFile+" with "+otherKey)
}

func TestTLSFaults(t *testing.T) {
	t.Parallel()
	certFile, keyFile := certificate(t, "broker.example")
	missing := filepath.Join(t.TempDir(), "missing")
	notOpened := "open " + missing + ": no such file or directory"
	for name, c := range map[string]struct {
		tls  config.TLS
		want []string
	}{
		"no ca":           {config.TLS{Enabled: true, CAFile: missing}, []string{"iggy.tls.ca_file: " + notOpened}},
		"ca no PEM":       {config.TLS{Enabled: true, CAFile: keyFile}, []string{"iggy.tls.ca_file: " + keyFile + ": holds no PEM certificate"}},
		"cert alone":      {config.TLS{Enabled: true, CertFile: certFile}, []string{"iggy.tls.key_file: must be set when cert_file is"}},
		"key alone":       {config.TLS{Enabled: true, KeyFile: keyFile}, []string{"iggy.tls.cert_file: must be set when key_file is"}},
		"no cert":         {config.TLS{Enabled: true, CertFile: missing, KeyFile: keyFile}, []string{"iggy.tls.cert_file: " + notOpened}},
		"no key, no ca":   {config.TLS{Enabled: true, CertFile: certFile, KeyFile: missing, CAFile: missing}, []string{"iggy.tls.ca_file: " + notOpened, "iggy.tls.key_file: " + notOpened}},
		"off with a name": {config.TLS{ServerName: "x"}, []string{"iggy.tls.server_name: must not be set unless iggy.tls.enabled is true"}},
		"off with all": {config.TLS{CAFile: certFile, CertFile: certFile, KeyFile: keyFile, InsecureSkipVerify: true}, []string{
			"iggy.tls.ca_file: must not be set unless iggy.tls.enabled is true",
			"iggy.tls.cert_file: must not be set unless iggy.tls.enabled is true",
			"iggy.tls.key_file: must not be set unless iggy.tls.enabled is true",
			"iggy.tls.insecure_skip_verify: must not be set unless iggy.tls.enabled is true",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := valid().Iggy
			i.TLS = c.tls
			require.Equal(t, c.want, texts(t, i.Validate()))
		})
	}
}
