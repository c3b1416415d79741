package transporttest

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// peerSuite starts misbehaving peers.
type peerSuite struct {
	dialer transport.Dialer
	traits traits
}

// peer is the server side of one connection.
type peer struct {
	net.Conn
	r *bufio.Reader
}

// start listens and calls serve for each connection. The test waits for the end of all connections.
func (p *peerSuite) start(t *testing.T, serve func(*peer)) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, nc)
			mu.Unlock()
			wg.Go(func() {
				defer func() { _ = nc.Close() }()
				serve(&peer{Conn: nc, r: bufio.NewReader(nc)})
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for _, nc := range open {
			_ = nc.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return ln.Addr().String()
}

// dial starts a peer and opens a connection to it.
func (p *peerSuite) dial(t *testing.T, serve func(*peer)) transport.Conn {
	t.Helper()
	address := p.start(t, serve)
	c, err := p.dialer.Dial(within(t), address, nil)
	require.NoError(t, err)
	// Registered after the peer's cleanup, so that it runs before it.
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// request reads one request.
func (p *peer) request() (code uint32, body []byte, err error) {
	var head [wire.FrameHeaderSize]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, binary.LittleEndian.Uint32(head[:])-4)
	_, err = io.ReadFull(p.r, body)
	return binary.LittleEndian.Uint32(head[4:]), body, err
}

// answer sends one answer.
func (p *peer) answer(status uint32, body []byte) { _, _ = p.Write(answerOf(status, body)) }

func answerOf(status uint32, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, status)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// polledOf returns the body of an answer to a poll, with these payloads.
func polledOf(partition uint32, payloads ...string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, partition)
	b = binary.LittleEndian.AppendUint64(b, uint64(max(len(payloads), 1)-1))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payloads)))
	return append(b, batchOf(payloads...).Bytes()...)
}

// drain reads until the client closes the connection.
func (p *peer) drain() { _, _ = io.Copy(io.Discard, p.r) }

// serveAll answers every request with success and this body.
func (p *peer) serveAll(body []byte) {
	for {
		if _, _, err := p.request(); err != nil {
			return
		}
		p.answer(0, body)
	}
}

// limitedConn is a connection that closes itself after a number of written bytes.
type limitedConn struct {
	net.Conn
	left int64
}

func (l *limitedConn) Write(b []byte) (int, error) {
	if int64(len(b)) > l.left {
		n, _ := l.Conn.Write(b[:l.left])
		l.left = 0
		_ = l.Close()
		return n, net.ErrClosed
	}
	l.left -= int64(len(b))
	return l.Conn.Write(b)
}
