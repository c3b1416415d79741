package connect

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// Target is one address to dial.
type Target struct {
	// Name is host:port as it is configured or advertised.
	Name string
	// Address is what is dialed: Name with the host replaced by one of its IP addresses.
	Address string
	IP      netip.Addr
	// host is the host that the server's certificate must have.
	host string
	port uint16
}

// lookup returns the IP addresses of a host.
type lookup func(ctx context.Context, host string) ([]netip.Addr, error)

func lookupHost(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// resolve returns the targets of the hosts, in order. The error joins those of the hosts that could
// not be resolved. When there are several hosts, a name service that does not answer takes at most
// a third of the dial timeout.
func (c *Connector) resolve(ctx context.Context, hosts []string) ([]Target, error) {
	if len(hosts) > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.cfg.DialTimeout/3, context.DeadlineExceeded)
		defer cancel()
	}
	found := make([][]Target, len(hosts))
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, name := range hosts {
		if found[i] = literal(name); found[i] == nil {
			wg.Go(func() { found[i], errs[i] = c.resolveHost(ctx, name) })
		}
	}
	wg.Wait()
	var all []Target
	seen := map[string]bool{}
	for _, targets := range found {
		for _, t := range targets {
			// Two names of one server are one address.
			if !seen[t.Address] {
				seen[t.Address] = true
				all = append(all, t)
			}
		}
	}
	return all, joinAttempts(errs...)
}

// literal returns the target of a name that has an IP address for a host, and nil for other names.
func literal(name string) []Target {
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return nil
	}
	return []Target{newTarget(name, host, port, ip)}
}

func newTarget(name, host, port string, ip netip.Addr) Target {
	n, _ := strconv.ParseUint(port, 10, 16)
	return Target{Name: name, host: host, Address: net.JoinHostPort(ip.Unmap().String(), port), IP: ip.Unmap(), port: uint16(n)}
}

func (c *Connector) resolveHost(ctx context.Context, name string) ([]Target, error) {
	host, port, err := net.SplitHostPort(name)
	if err == nil {
		var ips []netip.Addr
		if ips, err = c.lookup(ctx, host); err == nil && len(ips) > 0 {
			targets := make([]Target, len(ips))
			for i, ip := range interleave(ips) {
				targets[i] = newTarget(name, host, port, ip)
			}
			return targets, nil
		}
	}
	if err == nil {
		err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	// The form of an error of net.Dial.
	return nil, &iggyerr.ConnError{Op: "connect", Addr: name, Err: transport.CauseOf(ctx, &net.OpError{Op: "dial", Net: "tcp", Err: err})}
}

// interleave alternates the families of addresses, beginning with that of the first one, so that a
// network without one family costs no more than one attempt at a time (RFC 8305, section 4).
func interleave(ips []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	for _, ip := range ips {
		if ip.Unmap().Is4() == ips[0].Unmap().Is4() {
			first = append(first, ip)
		} else {
			second = append(second, ip)
		}
	}
	all := make([]netip.Addr, 0, len(ips))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			all = append(all, first[i])
		}
		if i < len(second) {
			all = append(all, second[i])
		}
	}
	return all
}
