// Package httpserver provides an HTTP server with Start and Stop.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Server serves a handler at an address.
type Server struct {
	address   string
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

// New returns a Server for address. It calls onFailure when it fails after its start.
func New(address string, handler http.Handler, log *zap.Logger, onFailure func(error)) *Server {
	// Log streams have no end of their own: Stop cancels their contexts.
	ctx, cancel := context.WithCancel(context.Background())
	log = log.Named("http")
	s := &Server{
		address: address, onFailure: onFailure, cancel: cancel, done: make(chan struct{}), log: log,
		newConns: map[net.Conn]struct{}{},
	}
	s.http = &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         s.trackConn,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       time.Minute,
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
		return fmt.Errorf("server.addr: %w", err)
	}
	s.addr = l.Addr()
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			go s.onFailure(err)
		}
	}()
	return nil
}

// Addr returns the address that the server listens on. It must be called after Start.
func (s *Server) Addr() string { return s.addr.String() }

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
