// Package httpserver provides an HTTP server with Start and Stop.
package httpserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/netutil"
)

// Server serves a handler at an address.
type Server struct {
	address   string
	maxConns  int
	http      *http.Server
	onFailure func(error)
	cancel    context.CancelFunc
	addr      net.Addr
	done      chan struct{} // closed when http.Serve has returned
	log       *zap.Logger

	mu       sync.Mutex
	newConns map[net.Conn]struct{} // connections without a request yet
}

// writeTimeout closes connections of clients that do not read their response. Handlers that take
// longer set a deadline of their own.
const writeTimeout = time.Minute

// maxHeaderBytes bounds the headers of a request.
const maxHeaderBytes = 64 << 10

// New returns a Server for address with at most maxConns connections at a time; more wait until one
// is closed. It calls onFailure when it fails after its start.
func New(address string, maxConns int, handler http.Handler, log *zap.Logger, onFailure func(error)) *Server {
	// Log streams have no end of their own: Stop cancels their contexts.
	ctx, cancel := context.WithCancel(context.Background())
	log = log.Named("http")
	s := &Server{
		address: address, maxConns: maxConns, onFailure: onFailure, cancel: cancel, done: make(chan struct{}), log: log,
		newConns: map[net.Conn]struct{}{},
	}
	s.http = &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         s.trackConn,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          zap.NewStdLog(log),
	}
	return s
}

// trackConn keeps newConns. http.Server.Shutdown waits 5 seconds for a first request on such
// connections, and browsers open some in advance.
func (s *Server) trackConn(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew {
		s.newConns[c] = struct{}{}
	} else {
		delete(s.newConns, c)
	}
}

// closeNewConns closes the connections that have not sent a request.
func (s *Server) closeNewConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.newConns {
		_ = c.Close()
	}
}

// Start listens on the address and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address)
	if err != nil {
		return err
	}
	s.addr = l.Addr()
	go func() {
		defer close(s.done)
		// Connections hold file descriptors, which the rest of the process needs, too.
		if err := s.http.Serve(netutil.LimitListener(l, s.maxConns)); !errors.Is(err, http.ErrServerClosed) {
			go s.onFailure(err)
		}
	}()
	return nil
}

// Addr returns the address that the server listens on. It must be called after Start.
func (s *Server) Addr() string { return s.addr.String() }

// URL returns a URL of the server that a browser on this machine can open. It must be called after
// Start.
func (s *Server) URL() string {
	host, port, _ := net.SplitHostPort(s.addr.String())
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// OnLoopback reports whether the server listens on the loopback interface only. It must be called
// after Start.
func (s *Server) OnLoopback() bool {
	tcp, ok := s.addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// Stop accepts no more requests, ends streams, and waits for running requests until ctx ends. Then
// it closes the connections of the requests that still run, and logs a warning: a slow client is
// not an error of this process.
func (s *Server) Stop(ctx context.Context) error {
	s.http.SetKeepAlivesEnabled(false)
	// Streams watch their context and end. Other requests finish.
	s.cancel()
	s.closeNewConns()
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
	}
	<-s.done
	if err != nil && ctx.Err() != nil {
		s.log.Warn("requests aborted", zap.Error(err))
		return nil
	}
	return err
}
