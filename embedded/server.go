package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// closeDelay is how long a connection may take to end by itself when the server stops.
const closeDelay = 500 * time.Millisecond

// Server is a running server. All methods may be called concurrently.
type Server struct {
	opts     options
	log      *zap.Logger
	started  time.Time
	listener net.Listener
	host     string
	port     uint16

	catalog *catalog
	users   *users
	clients *clients
	store   *store

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns connections
	// foreignLogged is when the last log entry about a foreign client was written.
	foreignLogged time.Time
	closed        bool
	stopped       chan struct{}
	// stopErr is the result of the stop. It is set before stopped is closed.
	stopErr error
	crashed atomic.Bool
}

// Start starts a server and returns when it listens. It accepts connections until [Server.Stop] or
// [Server.Crash]. It fails when the address is in use, or when the directory can't be read or
// written.
func Start(opts ...Option) (*Server, error) {
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("embedded: option %d of %d is nil", i+1, len(opts))
		}
	}
	s := newServer(opts)
	if err := s.open(); err != nil {
		s.cancel()
		return nil, err
	}
	return s, nil
}

func newServer(opts []Option) *Server {
	o := options{
		address: defaultAddress, username: DefaultUsername, password: DefaultPassword,
		handoverTimeout: defaultHandoverTimeout, writeTimeout: defaultWriteTimeout, loginTimeout: defaultLoginTimeout,
		retention: DefaultRetention, save: defaultSaveSettings(),
		clock: time.Now, migration: true,
	}
	for _, opt := range opts {
		opt(&o)
	}
	s := &Server{opts: o, log: o.log, conns: newConnections(), stopped: make(chan struct{})}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	s.started = o.clock()
	s.catalog = newCatalog()
	s.users = newUsers(o.username, o.password, s.now())
	s.clients = newClients()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// open reads the directory and begins to listen.
func (s *Server) open() (err error) {
	if s.opts.dir != "" {
		if s.store, err = openStore(s.opts.dir, s.log, s.opts.save.fsync); err != nil {
			return err
		}
		if err = s.loadState(); err != nil {
			return errors.Join(err, s.closeStore(true))
		}
		s.wg.Go(s.savePeriodically)
	}
	if err = s.listen(s.opts.address); err != nil {
		s.cancel()
		s.wg.Wait()
		return errors.Join(err, s.closeStore(true))
	}
	s.wg.Go(s.expireHandoversPeriodically)
	return nil
}

// now returns the time in microseconds, the unit of all times of the protocol.
func (s *Server) now() uint64 { return uint64(s.opts.clock().UnixMicro()) }

// listen opens the listener and starts to accept connections.
func (s *Server) listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("embedded: listen on %s: %w", address, err)
	}
	s.listener = l
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		s.host, s.port = a.IP.String(), uint16(a.Port)
	}
	s.wg.Go(func() { s.accept(l) })
	return nil
}

func (s *Server) accept(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || s.ctx.Err() != nil {
				return
			}
			// The usual cause is that no file descriptor is left, until a connection ends.
			s.log.Warn("accept failed", zap.Error(err))
			select {
			case <-time.After(50 * time.Millisecond):
			case <-s.ctx.Done():
				return
			}
			continue
		}
		s.serve(nc)
	}
}

func (s *Server) serve(nc net.Conn) {
	remote := nc.RemoteAddr()
	tcp, _ := nc.(*net.TCPConn)
	if s.opts.tls != nil {
		nc = tls.Server(nc, s.opts.tls)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	s.conns.accepted++
	c := newConn(s, s.conns.accepted, nc, tcp, remote)
	s.conns.all[c] = struct{}{}
	surplus := s.conns.setLogin(c, false)
	s.wg.Go(func() {
		defer s.removeConn(c)
		c.run()
	})
	s.mu.Unlock()
	if surplus != nil {
		surplus.close(false)
	}
}

func (s *Server) removeConn(c *conn) {
	c.close(false)
	s.leaveGroups(c)
	s.mu.Lock()
	s.conns.remove(c)
	s.mu.Unlock()
}

// Endpoint returns the address as "iggy://host:port", which is what iggy.endpoint of a configuration
// takes.
func (s *Server) Endpoint() string { return "iggy://" + s.Address() }

// Address returns the address that the server listens on as "host:port", also after it has
// stopped.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Stop stops listening and ends all connections. A request in progress is answered. Then each
// client gets the status [StatusDisconnected], which answers no request, and the end of the
// connection, as from the real server on SIGTERM. Connections that do not end within half a second
// are closed.
//
// A server with a directory then writes what it has not written yet, so that nothing that was
// confirmed is lost; the error says what could not be written. When ctx ends first, Stop returns
// its error, and the stop continues in the background. Stop may be called twice.
func (s *Server) Stop(ctx context.Context) error { return s.shutdown(ctx, false) }

// Crash ends the server as kill -9 ends a process: connections are reset, and messages that were
// not written to the directory yet are lost: with default settings up to 1,024 or 1 MiB of each
// partition, as on the real server, and none with [WithMessagesRequiredToSave] of 1. It waits for
// the server's goroutines.
func (s *Server) Crash() { _ = s.shutdown(context.Background(), true) }

func (s *Server) shutdown(ctx context.Context, crash bool) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.crashed.Store(crash)
		_ = s.listener.Close()
		s.cancel()
		conns := make([]*conn, 0, len(s.conns.all))
		for c := range s.conns.all {
			conns = append(conns, c)
		}
		s.mu.Unlock()
		for _, c := range conns {
			if crash {
				c.close(true)
			} else {
				_ = c.netConn.SetReadDeadline(time.Now())
			}
		}
		grace := time.AfterFunc(closeDelay, func() {
			for _, c := range conns {
				c.close(false)
			}
		})
		go func() {
			defer close(s.stopped)
			s.wg.Wait()
			grace.Stop()
			s.stopErr = s.closeStore(crash)
		}()
	} else {
		s.mu.Unlock()
	}
	select {
	case <-s.stopped:
		return s.stopErr
	case <-ctx.Done():
		return fmt.Errorf("embedded: stop: %w", ctx.Err())
	}
}
