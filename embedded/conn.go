package embedded

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	frameHeaderSize = 8
	// maxControlBody bounds the body of every command but a send, as on the real server.
	maxControlBody = 10 << 20
	// maxSendBody bounds a send. The real server has no bound here.
	maxSendBody = 1 << 30
	// readStep is the most that is allocated for a body before any byte of it has arrived, so that lengths that lie cost
	// nothing.
	allocationStep = 1 << 20
	// readBuffer is small since there may be thousands of idle connections; large bodies are read past it.
	readBufferSize = 8 << 10
	// keepBuffer is the size up to which a connection keeps its buffers between requests.
	maxKeptBuffer = 64 << 10
	// writePiece is the most that is written under one deadline.
	maxWriteSize = 1 << 20

	noUser = ^uint32(0)
)

var errCloseConn = errors.New("embedded: connection cut")

// conn is one client's connection. Its goroutine reads a request, lets it take effect and writes the answer, one after
// the other; answers are held back only while the next request is there already.
type conn struct {
	server   *Server
	id       uint64
	netConn  net.Conn
	tcp      *net.TCPConn
	remote   net.Addr
	clientID uint32

	ctx    context.Context
	cancel context.CancelFunc

	reader *bufio.Reader
	body   []byte
	out    []byte

	// user is the user that is logged in, or noUser.
	user     atomic.Uint32
	migrated bool
}

func newConn(s *Server, id uint64, nc net.Conn, tcp *net.TCPConn, remote net.Addr) *conn {
	c := &conn{server: s, id: id, netConn: nc, tcp: tcp, remote: remote, clientID: xxh32([]byte(remote.String()))}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.user.Store(noUser)
	c.reader = bufio.NewReaderSize(nc, readBufferSize)
	s.clients.add(c.clientID, remote.String(), c)
	return c
}

// close ends the connection from outside; its goroutine then ends by itself. With reset the client sees a reset.
func (c *conn) close(reset bool) {
	c.cancel()
	if c.tcp != nil {
		if reset {
			_ = c.tcp.SetLinger(0)
		}
		// Not the TLS connection's Close: it sends an alert, which can block behind a client that does not read.
		_ = c.tcp.Close()
		return
	}
	_ = c.netConn.Close()
}

func (c *conn) run() {
	err := c.loop()
	if c.server.ctx.Err() == nil && err != nil && !errors.Is(err, io.EOF) {
		c.server.log.Debug("connection ended", zap.Uint64("connection", c.id), zap.Stringer("address", c.remote), zap.Error(err))
	}
}

func (c *conn) loop() error {
	for {
		if !c.buffered() {
			if err := c.flush(); err != nil {
				return err
			}
		}
		if c.stopping() {
			return c.sendDisconnected()
		}
		header, err := c.reader.Peek(frameHeaderSize)
		if err != nil {
			if len(header) == 0 && c.stopping() {
				return c.sendDisconnected()
			}
			if len(header) > 0 && errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		length := binary.LittleEndian.Uint32(header)
		command := Command(binary.LittleEndian.Uint32(header[4:]))
		_, _ = c.reader.Discard(frameHeaderSize)
		if length < 4 {
			c.answer(StatusInvalidCommand)
			continue
		}
		if err := c.request(command, length-4); err != nil {
			return err
		}
	}
}

// stopping tells whether the server is being stopped in good order.
func (c *conn) stopping() bool { return c.server.ctx.Err() != nil && !c.server.crashed.Load() }

// farewell is what the real server says when it is stopped: a status that no one asked for.
func (c *conn) sendDisconnected() error {
	c.answer(StatusDisconnected)
	return c.flush()
}

// buffered tells whether the next request has arrived completely, so that answers may wait for its own.
func (c *conn) buffered() bool {
	n := c.reader.Buffered()
	if n < frameHeaderSize || len(c.out) >= maxKeptBuffer {
		return false
	}
	header, err := c.reader.Peek(4)
	return err == nil && uint64(binary.LittleEndian.Uint32(header))+4 <= uint64(n)
}

// request reads the body of one request, lets it take effect and answers.
func (c *conn) request(command Command, length uint32) error {
	var (
		body []byte
		send *sendRequest
		err  error
		st   Status
	)
	if command == SendMessages {
		send, body, st, err = c.readSend(length)
		if err != nil {
			return err
		}
	} else {
		if length > maxControlBody {
			// The real server goes on and takes the body for requests; this one ends the connection.
			c.answer(StatusInvalidCommand)
			return errors.Join(c.flush(), errCloseConn)
		}
		if body, err = c.readBody(int(length)); err != nil {
			return err
		}
	}
	mark := len(c.out)
	c.out = append(c.out, 0, 0, 0, 0, 0, 0, 0, 0)
	var parts [][]byte
	size := 0
	if st == StatusOK {
		if send != nil {
			st = c.send(send)
		} else {
			st, parts, size = c.handle(command, body)
		}
	}
	if st != StatusOK {
		c.out, parts, size = c.out[:mark+frameHeaderSize], nil, 0
	}
	size += len(c.out) - mark - frameHeaderSize
	binary.LittleEndian.PutUint32(c.out[mark:], uint32(st))
	binary.LittleEndian.PutUint32(c.out[mark+4:], uint32(size))
	if st == StatusStaleClient || st == StatusClientNotFound {
		return errors.Join(c.flush(), errCloseConn)
	}
	if len(parts) > 0 {
		return c.flush(parts...)
	}
	return nil
}

// answer queues an answer without a body.
func (c *conn) answer(st Status) {
	c.out = binary.LittleEndian.AppendUint32(c.out, uint32(st))
	c.out = append(c.out, 0, 0, 0, 0)
}

// flush writes what is queued and then parts, which are not copied.
func (c *conn) flush(parts ...[]byte) error {
	if len(c.out) == 0 && len(parts) == 0 {
		return nil
	}
	bufs := make(net.Buffers, 0, 1+len(parts))
	if len(c.out) > 0 {
		bufs = append(bufs, c.out)
	}
	bufs = append(bufs, parts...)
	err := c.write(bufs)
	c.out = c.out[:0]
	if cap(c.out) > 4*maxKeptBuffer {
		c.out = nil
	}
	return err
}

// write writes in pieces, so that the deadline is one for progress and not for a whole answer, however long.
func (c *conn) write(bufs net.Buffers) error {
	piece := make(net.Buffers, 0, len(bufs))
	for len(bufs) > 0 {
		piece = piece[:0]
		size := 0
		for len(bufs) > 0 && size < maxWriteSize {
			b := bufs[0]
			if rest := maxWriteSize - size; len(b) > rest {
				piece = append(piece, b[:rest])
				bufs[0] = b[rest:]
				break
			}
			piece = append(piece, b)
			size += len(b)
			bufs = bufs[1:]
		}
		if c.server.opts.writeTimeout > 0 {
			if err := c.netConn.SetWriteDeadline(time.Now().Add(c.server.opts.writeTimeout)); err != nil {
				return err
			}
		}
		p := piece
		if _, err := p.WriteTo(c.netConn); err != nil {
			return err
		}
	}
	return nil
}

// readBody reads a body that is needed until the next request only.
func (c *conn) readBody(n int) ([]byte, error) {
	if cap(c.body) > maxKeptBuffer && n <= maxKeptBuffer {
		c.body = nil
	}
	b, err := readFull(c.reader, c.body[:0], n)
	if err != nil {
		return nil, err
	}
	c.body = b
	return b, nil
}

// readFull appends n bytes from r to b. It allocates no more than readStep ahead of what has arrived.
func readFull(r io.Reader, b []byte, n int) ([]byte, error) {
	for n > 0 {
		step := min(n, max(allocationStep, len(b)))
		if have := cap(b) - len(b); have < step {
			grown := make([]byte, len(b), len(b)+step)
			copy(grown, b)
			b = grown
		}
		at := len(b)
		b = b[:at+step]
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		n -= step
	}
	return b, nil
}
