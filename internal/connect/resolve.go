package connect

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"

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

// resolveHost returns the addresses of a host of the endpoint or of a node.
func (c *Connector) resolveHost(ctx context.Context, name string) ([]Target, error) {
	host, port, err := net.SplitHostPort(name)
	if err == nil {
		var ips []netip.Addr
		if ips, err = c.lookup(ctx, host); err == nil && len(ips) > 0 {
			targets := make([]Target, len(ips))
			for i, ip := range interleave(ips) {
				targets[i] = newTarget(name, host, port, ip)
			}
			c.noteNames(targets)
			return targets, nil
		}
	}
	if err == nil {
		err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	// The form of an error of net.Dial.
	return nil, &iggyerr.ConnError{Op: "connect", Addr: name, Err: transport.CauseOf(ctx, &net.OpError{Op: "dial", Net: "tcp", Err: err})}
}

// noteNames keeps which hosts of the endpoint have which addresses, for nameOf.
func (c *Connector) noteNames(targets []Target) {
	if !slices.Contains(c.cfg.Addresses(), targets[0].Name) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range targets {
		c.names[t.Address] = t.host
	}
}

// nameOf is the host that the certificate of a target must have. A node mostly advertises an IP
// address, and its certificate has the name by which the endpoint knows it.
func (c *Connector) nameOf(t Target) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name := c.names[t.Address]; name != "" && net.ParseIP(t.host) != nil {
		return name
	}
	return t.host
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
