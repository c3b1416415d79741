package native

import (
	"net"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// NewConn returns a connection over any net.Conn.
func NewConn(nc net.Conn) transport.Conn { return newConn(nc.RemoteAddr().String(), nc) }

type (
	BodyPool   = bodyPool
	PooledBody = pooledBody
)

const MaxFreeBodies = maxFreeBodies

func (p *bodyPool) Get(size uint64) *pooledBody { return p.get(size) }
func (p *bodyPool) Trim()                       { p.trim() }
func (p *bodyPool) Close()                      { p.close() }
func (b *pooledBody) Release()                  { b.release() }

// Bodies returns the pool of a connection that NewConn made.
func Bodies(c transport.Conn) *BodyPool { return &c.(*conn).bodies }

// Free is how many free bodies there are.
func (p *bodyPool) Free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}

// UntilIdleRead is untilIdleRead.
var UntilIdleRead = untilIdleRead

const IdleReadInterval = idleReadInterval
