package native_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport/native"
)

const body = 128 << 10

func TestBodyPool(t *testing.T) {
	t.Parallel()
	t.Run("a body is used again for an answer of its size", func(t *testing.T) {
		t.Parallel()
		p := &native.BodyPool{}
		first := p.Get(body)
		first.Release()
		require.NotSame(t, first, p.Get(2*body))
		require.Same(t, first, p.Get(body-1))
		require.NotSame(t, first, p.Get(body))
	})
	t.Run("a large body is used again for answers of about its size", func(t *testing.T) {
		t.Parallel()
		p := &native.BodyPool{}
		first := p.Get(9 << 20)
		first.Release()
		require.NotSame(t, first, p.Get(7<<20))
		require.Same(t, first, p.Get(9<<20-300<<10))
		require.Nil(t, p.Get(17<<20), "it is not pooled")
	})
	t.Run("what nobody needed between two calls of trim is forgotten", func(t *testing.T) {
		t.Parallel()
		p := &native.BodyPool{}
		used, unused := p.Get(body), p.Get(body)
		unused.Release()
		used.Release()
		p.Trim() // both were needed before
		require.Equal(t, 2, p.Free())
		require.Same(t, used, p.Get(body))
		used.Release()
		p.Trim()
		require.Equal(t, 1, p.Free())
		require.Same(t, used, p.Get(body))
	})
	t.Run("the free bodies have a bound", func(t *testing.T) {
		t.Parallel()
		p := &native.BodyPool{}
		bodies := make([]*native.PooledBody, 2*native.MaxFreeBodies/body)
		for i := range bodies {
			bodies[i] = p.Get(body)
		}
		for _, b := range bodies {
			b.Release()
		}
		require.Equal(t, native.MaxFreeBodies/body, p.Free())
	})
	t.Run("nothing is kept once the connection is closed", func(t *testing.T) {
		t.Parallel()
		p := &native.BodyPool{}
		free, late := p.Get(body), p.Get(body)
		free.Release()
		p.Close()
		late.Release()
		require.Zero(t, p.Free())
	})
}

func TestConnectionWithoutCallsForgetsItsBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		conn := native.NewConn(client)
		pool := native.Bodies(conn)
		pool.Get(body).Release()
		require.Equal(t, 1, pool.Free())
		time.Sleep(1500 * time.Millisecond)
		require.Zero(t, pool.Free())
		late := pool.Get(body)
		require.NoError(t, conn.Close())
		late.Release()
		require.Zero(t, pool.Free())
		require.NoError(t, server.Close())
	})
}
