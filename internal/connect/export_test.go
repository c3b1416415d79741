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

// OwnRegistry keeps the Connector apart from the others of the process. A registry has channels,
// which belong to a bubble of testing/synctest.
func (c *Connector) OwnRegistry() { c.registry = &registry{servers: map[string]*server{}} }
