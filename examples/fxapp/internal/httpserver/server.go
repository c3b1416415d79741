// Package httpserver is an HTTP server with a start and a stop.
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
	address string
	http    *http.Server
	failed  func(error)
	cancel  context.CancelFunc
	addr    net.Addr
	done    chan struct{} // closed when Serve has returned
	log     *zap.Logger

	mu    sync.Mutex
	fresh map[net.Conn]struct{} // connections without a request yet
}

// writeTimeout lets go of callers who do not read their answer; handlers that take longer set a deadline
// of their own.
const writeTimeout = time.Minute

// New makes a Server. failed is called when it can't serve any more.
func New(address string, handler http.Handler, log *zap.Logger, failed func(error)) *Server {
	// Log streams last as long as their callers like: their contexts end when the stop begins.
	ctx, cancel := context.WithCancel(context.Background())
	log = log.Named("http")
	s := &Server{
		address: address, failed: failed, cancel: cancel, done: make(chan struct{}), log: log,
		fresh: map[net.Conn]struct{}{},
	}
	s.http = &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         s.track,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       time.Minute,
		ErrorLog:          zap.NewStdLog(log),
	}
	return s
}

// track knows the connections that net/http's Shutdown would give 5 seconds to send
// a request: browsers open some in advance.
func (s *Server) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew {
		s.fresh[c] = struct{}{}
	} else {
		delete(s.fresh, c)
	}
}

func (s *Server) closeFresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.fresh {
		_ = c.Close()
	}
}

// Start listens, and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("server.addr: %w", err)
	}
	s.addr = l.Addr()
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			go s.failed(err)
		}
	}()
	return nil
}

// Addr is where it listens, after Start.
func (s *Server) Addr() string { return s.addr.String() }

// Stop takes no more requests, ends streams, and waits for requests under way
// until ctx ends. Those that are not through then are cut off, with a warning: callers who
// are slow are no fault of the process.
func (s *Server) Stop(ctx context.Context) error {
	s.http.SetKeepAlivesEnabled(false)
	// A request that is being answered may go on; who only listens is let go.
	s.cancel()
	s.closeFresh()
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
	}
	<-s.done
	if err != nil && ctx.Err() != nil {
		s.log.Warn("requests were cut off", zap.Error(err))
		return nil
	}
	return err
}
