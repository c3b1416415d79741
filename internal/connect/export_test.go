package connect

import (
	"context"
	"net"
	"net/netip"
)

// SetLookup replaces the name service.
func (c *Connector) SetLookup(f func(ctx context.Context, host string) ([]netip.Addr, error)) {
	c.lookup = f
}

// SetInterfaces replaces the addresses of this machine.
func (c *Connector) SetInterfaces(f func() ([]net.Addr, error)) { c.interfaces = f }
