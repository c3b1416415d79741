// Package httpserver provides an HTTP server with Start and Stop.
package httpserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
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

	mu     sync.Mutex
	open   int        // connections
	idle   []net.Conn // those between two requests, the one that has waited longest first
	unused []net.Conn // those without a request yet, likewise
}

// writeTimeout closes connections of clients that do not read their response. Handlers that take
// longer set a deadline of their own.
const writeTimeout = time.Minute

// maxHeaderBytes bounds the headers of a request.
const maxHeaderBytes = 64 << 10

// New returns a Server for address with at most maxConns connections at a time. One more takes the
// place of the one that has waited longest for a request; while all have requests, more wait. The
// Server calls onFailure when it fails after its start.
func New(address string, maxConns int, handler http.Handler, log *zap.Logger, onFailure func(error)) *Server {
	// Log streams have no end of their own: Stop cancels their contexts.
	ctx, cancel := context.WithCancel(context.Background())
	log = log.Named("http")
	s := &Server{
		address: address, maxConns: maxConns, onFailure: onFailure, cancel: cancel, done: make(chan struct{}), log: log,
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

// trackConn keeps open, idle and unused. When there are as many connections as there may be, it closes
// the one that has waited longest for a request: clients that hold connections and send nothing must
// not keep others out.
func (s *Server) trackConn(c net.Conn, state http.ConnState) {
	if longest := s.track(c, state); longest != nil {
		_ = longest.Close()
	}
}

// track updates the connections, and returns the one that is to be closed, nil for none.
func (s *Server) track(c net.Conn, state http.ConnState) (longest net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	isC := func(other net.Conn) bool { return other == c }
	s.idle, s.unused = slices.DeleteFunc(s.idle, isC), slices.DeleteFunc(s.unused, isC)
	switch state {
	case http.StateNew:
		s.open++
		s.unused = append(s.unused, c)
	case http.StateIdle:
		s.idle = append(s.idle, c)
	case http.StateClosed, http.StateHijacked:
		s.open--
		return nil
	default:
		return nil
	}
	switch {
	case s.open < s.maxConns:
	case len(s.idle) > 0:
		longest, s.idle = s.idle[0], s.idle[1:]
	case len(s.unused) > 1: // the first request of the last one is still on its way
		longest, s.unused = s.unused[0], s.unused[1:]
	}
	return longest
}

// closeUnused closes the connections that have not sent a request. http.Server.Shutdown waits 5
// seconds for them, and browsers open some in advance.
func (s *Server) closeUnused() {
	s.mu.Lock()
	unused := s.unused
	s.unused = nil
	s.mu.Unlock()
	for _, c := range unused {
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
	s.closeUnused()
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
