package transporttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// tlsServer is a running server that requires TLS and a client certificate.
type tlsServer struct {
	testServer
	// Config is the server's configuration, Roots holds who signed its certificate for 127.0.0.1.
	Config *tls.Config
	Roots  *x509.CertPool
	// Client is a certificate that the server takes, Other one that it refuses.
	Client, Other tls.Certificate
}

func (s tlsServer) client() *tls.Config {
	return &tls.Config{RootCAs: s.Roots, Certificates: []tls.Certificate{s.Client}, MinVersion: tls.VersionTLS12}
}

// runTLS runs the part of the suite that needs a server with TLS, in parallel.
func runTLS(t *testing.T, d transport.Dialer, s tlsServer) {
	for name, test := range map[string]func(*testing.T, transport.Dialer, tlsServer){
		"exchange":             testTLSExchange,
		"unknown authority":    testTLSAuthority,
		"other server name":    testTLSName,
		"client certificate":   testTLSClient,
		"no common version":    testTLSVersion,
		"cut in the handshake": testTLSCut,
		"plain text to TLS":    testPlainToTLS,
		"TLS to plain text":    testTLSToPlain,
		"does not read":        testTLSDoesNotRead,
		"stalled":              testTLSStalled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, d, s)
		})
	}
}

func testTLSExchange(t *testing.T, d transport.Dialer, s tlsServer) {
	cfg := s.client()
	c, err := d.Dial(within(t), s.Address, cfg)
	require.NoError(t, err)
	require.Empty(t, cfg.ServerName, "the caller's configuration is left alone")
	require.NoError(t, c.Login(within(t), s.credentials()))
	// A batch of many messages, and an answer to it.
	var large wire.Batch
	large.Append([16]byte{1}, 1, bytes.Repeat([]byte("x"), 3<<20), nil)
	requireStatus(t, iggyerr.StatusStreamNotFound, c.Send(within(t), unique(), "t", 0, &large))
	requireUsable(t, c)
	require.NoError(t, c.Close())
	requireDone(t, c)
}

func testTLSAuthority(t *testing.T, d transport.Dialer, s tlsServer) {
	cfg := s.client()
	cfg.RootCAs = x509.NewCertPool()
	_, err := d.Dial(within(t), s.Address, cfg)
	requireConnError(t, err)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	requireRefused(t, err)
}

func testTLSName(t *testing.T, d transport.Dialer, s tlsServer) {
	cfg := s.client()
	cfg.ServerName = "other.example"
	_, err := d.Dial(within(t), s.Address, cfg)
	requireConnError(t, err)
	var name x509.HostnameError
	require.ErrorAs(t, err, &name)
	requireRefused(t, err)
}

// requireRefused checks that the error is not retryable and names the reason.
func requireRefused(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, iggyerr.ErrTLS)
	require.False(t, iggyerr.IsRetryable(err), "%v", err)
}

// Both ends have a range of versions without a common one.
func testTLSVersion(t *testing.T, d transport.Dialer, s tlsServer) {
	cfg := s.client()
	cfg.MaxVersion = tls.VersionTLS12
	p := &peerSuite{dialer: d}
	newer := s.Config.Clone()
	newer.MinVersion = tls.VersionTLS13
	address := p.start(t, func(p *peer) { _ = tls.Server(p.Conn, newer).Handshake() })
	_, err := d.Dial(within(t), address, cfg)
	requireConnError(t, err)
	requireRefused(t, err)
}

// A server that restarts may end a connection at any point.
func testTLSCut(t *testing.T, d transport.Dialer, s tlsServer) {
	p := &peerSuite{dialer: d}
	address := p.start(t, func(p *peer) { _, _ = p.r.ReadByte() })
	_, err := d.Dial(within(t), address, s.client())
	requireConnError(t, err)
	require.NotErrorIs(t, err, iggyerr.ErrTLS)
	require.True(t, iggyerr.IsRetryable(err), "%v", err)
}

// With TLS 1.3 the client learns after the handshake that its certificate was refused.
func testTLSClient(t *testing.T, d transport.Dialer, s tlsServer) {
	for name, certificates := range map[string][]tls.Certificate{"none": nil, "another": {s.Other}} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(name+" "+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				cfg := s.client()
				cfg.Certificates, cfg.MaxVersion = certificates, version
				c, err := d.Dial(within(t), s.Address, cfg)
				if err == nil {
					defer func() { require.NoError(t, c.Close()) }()
					err = c.Login(within(t), s.credentials())
					requireDone(t, c)
				}
				requireConnError(t, err)
				requireRefused(t, err)
				require.ErrorContains(t, err, "iggy.tls.cert_file")
			})
		}
	}
}

func testPlainToTLS(t *testing.T, d transport.Dialer, s tlsServer) {
	c, err := d.Dial(within(t), s.Address, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	err = c.Login(within(t), s.credentials())
	requireConnError(t, err)
	require.ErrorContains(t, err, "TLS")
	requireDone(t, c)
}

func testTLSToPlain(t *testing.T, d transport.Dialer, s tlsServer) {
	p := &peerSuite{dialer: d}
	address := p.start(t, func(peer *peer) {
		// It answers what it does not understand in its own words.
		if _, err := peer.r.ReadByte(); err == nil {
			_, _ = peer.Write([]byte("400 what is this?"))
			peer.drain()
		}
	})
	_, err := d.Dial(within(t), address, s.client())
	require.ErrorIs(t, err, iggyerr.ErrProtocol)
	require.ErrorContains(t, err, "TLS")
	require.False(t, iggyerr.IsRetryable(err))
	require.False(t, iggyerr.MayHaveEffect(err))
}

// secure wraps a peer's behaviour in TLS.
func (s tlsServer) secure(serve func(*tls.Conn)) func(*peer) {
	return func(p *peer) {
		conn := tls.Server(p.Conn, s.Config)
		if conn.Handshake() == nil {
			serve(conn)
		}
	}
}

func testTLSDoesNotRead(t *testing.T, d transport.Dialer, s tlsServer) {
	release := make(chan struct{})
	p := &peerSuite{dialer: d}
	address := p.start(t, s.secure(func(*tls.Conn) { <-release }))
	defer close(release)
	c, err := d.Dial(within(t), address, s.client())
	require.NoError(t, err)
	var batch wire.Batch
	batch.Append([16]byte{1}, 1, make([]byte, 16<<20), nil)
	err = c.Send(shortContext(t), "s", "t", 0, &batch)
	clearBatch(&batch)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, connErrorOf(t, err).Sent)
	// Neither waits to send a TLS alert to a peer that does not read.
	require.NoError(t, c.Close())
	requireDone(t, c)
}

func testTLSStalled(t *testing.T, d transport.Dialer, s tlsServer) {
	p := &peerSuite{dialer: d}
	asked, hold := make(chan struct{}), make(chan struct{})
	address := p.start(t, s.secure(func(conn *tls.Conn) {
		_, _ = conn.Read(make([]byte, 100))
		close(asked)
		<-hold
	}))
	defer close(hold)
	c, err := d.Dial(within(t), address, s.client())
	require.NoError(t, err)
	err = c.Ping(endWhen(t, asked, context.DeadlineExceeded))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, connErrorOf(t, err).Sent)
	require.NoError(t, c.Close())
}
