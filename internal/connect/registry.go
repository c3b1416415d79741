package connect

import (
	"context"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// registry knows which servers are the only one of their cluster, so that a process reads the
// metadata of such a server once and not after each login.
//
// A server can't become part of a cluster while it runs. So an address is forgotten when an attempt
// to connect to it fails, and when the last Connector that used it is closed.
type registry struct {
	mu      sync.Mutex
	servers map[string]*server
}

// server is what is known about one address.
type server struct {
	users map[*Connector]struct{}
	// reading has a value while a connection reads the metadata. The others wait for its result.
	reading chan struct{}
	single  bool
}

var processRegistry = &registry{servers: map[string]*server{}}

// readOnce calls read unless the server at the address is known to be the only one of its cluster,
// which read reports.
func (r *registry) readOnce(ctx context.Context, user *Connector, address string, read func() (single bool, err error)) error {
	r.mu.Lock()
	s := r.servers[address]
	if s == nil {
		s = &server{users: map[*Connector]struct{}{}, reading: make(chan struct{}, 1)}
		r.servers[address] = s
	}
	s.users[user] = struct{}{}
	single := s.single
	r.mu.Unlock()
	if single {
		return nil
	}
	select {
	case s.reading <- struct{}{}:
	case <-ctx.Done():
		return &iggyerr.ConnError{Op: "read cluster", Addr: address, Err: context.Cause(ctx)}
	}
	defer func() { <-s.reading }()
	r.mu.Lock()
	single = s.single
	r.mu.Unlock()
	if single {
		return nil
	}
	single, err := read()
	r.mu.Lock()
	s.single = single && err == nil
	r.mu.Unlock()
	return err
}

// forget is called when an attempt to connect to the address has failed.
func (r *registry) forget(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.servers[address]; s != nil {
		s.single = false
	}
}

// release ends the use of all addresses by a Connector.
func (r *registry) release(user *Connector) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for address, s := range r.servers {
		if delete(s.users, user); len(s.users) == 0 {
			delete(r.servers, address)
		}
	}
}
