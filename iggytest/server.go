package iggytest

import (
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/zap/zaptest"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// Username and Password are the root user's, unless the server is started with others.
const (
	Username = embedded.DefaultUsername
	Password = embedded.DefaultPassword
)

// Server is an embedded server behind a [Proxy]. Endpoint, Address, Inject, CutConnections,
// StopListening and StartListening are the proxy's.
type Server struct {
	*Proxy
	opts []embedded.Option
	ca   []byte

	embedded atomic.Pointer[embedded.Server]

	mu sync.Mutex // held while the server ends or starts, which a fault may cause
}

// NewServer starts a server that ends with the test. It logs to the test's log. The options are the
// embedded server's. An address among them is the one behind the proxy, and for TLS there is
// [NewTLSServer]. It fails the test when the server does not start.
func NewServer(tb testing.TB, opts ...embedded.Option) *Server {
	tb.Helper()
	return newServer(tb, nil, nil, opts)
}

// NewTLSServer is [NewServer] with TLS and a certificate of its own for localhost and 127.0.0.1.
// See [Server.CA].
func NewTLSServer(tb testing.TB, opts ...embedded.Option) *Server {
	tb.Helper()
	config, ca, err := embedded.SelfSigned()
	if err != nil {
		tb.Fatalf("iggytest: %v", err)
	}
	return newServer(tb, config, ca, opts)
}

func newServer(tb testing.TB, config *tls.Config, ca []byte, opts []embedded.Option) *Server {
	tb.Helper()
	log := zaptest.NewLogger(tb).Named("iggytest")
	s := &Server{opts: append([]embedded.Option{embedded.WithLogger(log)}, opts...), ca: ca}
	server, err := embedded.Start(s.opts...)
	if err != nil {
		tb.Fatalf("iggytest: %v", err)
	}
	s.embedded.Store(server)
	tb.Cleanup(func() { s.Embedded().Crash() })
	s.Proxy = newProxy(tb, server.Address(), config)
	tb.Cleanup(s.stop)
	return s
}

// CA returns the certificate, in PEM, that clients of [NewTLSServer] must trust. It is nil without
// TLS.
func (s *Server) CA() []byte { return s.ca }

// Embedded returns the server behind the proxy. [Server.Start] replaces it.
func (s *Server) Embedded() *embedded.Server { return s.embedded.Load() }

// Crash ends the server as kill -9 ends a process: connections are reset, new ones are refused, and
// what was not written to a directory is lost, also when it was confirmed. [Server.Start] starts it
// again.
func (s *Server) Crash() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.StopListening()
	// Answers that are on their way are lost too.
	s.CutConnections()
	s.Embedded().Crash()
}

// Stop stops the server: connections end, and new ones are refused. Without a directory all
// messages are lost.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.StopListening()
	// Without a deadline it can't fail.
	_ = s.Embedded().Stop(context.Background())
}

// Start starts the server again after Crash or Stop, at the same Endpoint and with the same
// options. It fails the test when that does not work.
func (s *Server) Start() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	server, err := embedded.Start(s.opts...)
	if err != nil {
		s.tb.Fatalf("iggytest: %v", err)
	}
	s.embedded.Store(server)
	s.setUpstream(server.Address())
	s.StartListening()
}
