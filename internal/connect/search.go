package connect

import (
	"context"
)

// search holds the addresses of some hosts while they are tried. It is used by one goroutine.
type search struct {
	// hosts are the addresses of each host that are not tried yet. They are nil while the host is
	// looked up.
	hosts   [][]Target
	results chan lookupResult // as many as lookups
	lookups int
	seen    map[string]bool
}

// lookupResult is what the name service says about one host.
type lookupResult struct {
	host    int
	targets []Target
	err     error
}

// newSearch starts to look up the hosts. The lookups end with ctx.
func (c *Connector) newSearch(ctx context.Context, hosts []string) *search {
	hosts = unique(hosts)
	s := &search{hosts: make([][]Target, len(hosts)), results: make(chan lookupResult, len(hosts)), seen: map[string]bool{}}
	for i, name := range hosts {
		if targets := literal(name); targets != nil {
			s.put(i, targets)
			continue
		}
		s.lookups++
		go func() {
			targets, err := c.resolveHost(ctx, name)
			s.results <- lookupResult{i, targets, err}
		}()
	}
	return s
}

// add adds the result of a lookup.
func (s *search) add(r lookupResult) {
	s.lookups--
	s.put(r.host, r.targets)
}

// put sets the addresses of a host. Two names of one server are one address.
func (s *search) put(host int, targets []Target) {
	s.hosts[host] = []Target{}
	for _, t := range targets {
		if !s.seen[t.Address] {
			s.seen[t.Address] = true
			s.hosts[host] = append(s.hosts[host], t)
		}
	}
}

// inOrder reports whether the address that next returns is the first one in the order of the hosts:
// no earlier host is still looked up.
func (s *search) inOrder() bool {
	for _, targets := range s.hosts {
		switch {
		case targets == nil:
			return false
		case len(targets) > 0:
			return true
		}
	}
	return true
}

// left counts the addresses that are not tried yet, and each host that is looked up.
func (s *search) left() int {
	n := s.lookups
	for _, targets := range s.hosts {
		n += len(targets)
	}
	return n
}

// available reports whether next returns an address.
func (s *search) available() bool { return s.left() > s.lookups }

// next removes the first known address.
func (s *search) next() (Target, bool) {
	for i, targets := range s.hosts {
		if len(targets) > 0 {
			s.hosts[i] = targets[1:]
			return targets[0], true
		}
	}
	return Target{}, false
}
