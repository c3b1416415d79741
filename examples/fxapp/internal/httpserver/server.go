// Package httpserver is an HTTP server with a start and a stop.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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
}

// New makes a Server. failed is called when it can't serve any more.
func New(address string, handler http.Handler, log *zap.Logger, failed func(error)) *Server {
	// Log streams last as long as their callers like: their contexts end when the stop begins.
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		address: address, failed: failed, cancel: cancel, done: make(chan struct{}),
		http: &http.Server{
			Handler:           handler,
			BaseContext:       func(net.Listener) context.Context { return ctx },
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       time.Minute,
			ErrorLog:          zap.NewStdLog(log.Named("http")),
		},
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
// until ctx ends.
func (s *Server) Stop(ctx context.Context) error {
	s.http.SetKeepAlivesEnabled(false)
	// A request that is being answered may go on; who only listens is let go.
	s.cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
		err = fmt.Errorf("requests were cut off: %w", err)
	}
	<-s.done
	return err
}
