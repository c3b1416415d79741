package embedded

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// maxControlBody bounds the body of every command but a send, as on the real server.
	maxControlBody = 10 << 20
	// maxLoginBody bounds the body of a request until the client is logged in. A login has at most
	// a few hundred bytes.
	maxLoginBody = 8 << 10

	// noUser stands for the user of a connection that is not logged in.
	noUser = ^uint32(0)
)

var (
	errCloseConn = errors.New("embedded: connection closed by the server")
	errNoLogin   = errors.New("embedded: not logged in in time")
)

// conn is the connection of a client. Its goroutine reads a request, carries it out and writes the
// answer. Answers wait in out only while the next request has already arrived.
type conn struct {
	server   *Server
	id       uint64
	netConn  net.Conn
	tcp      *net.TCPConn // below TLS
	remote   net.Addr
	clientID uint32

	ctx    context.Context
	cancel context.CancelFunc

	reader  *bufio.Reader
	body    []byte
	decoder decoder
	out     []byte
	// parts are the rest of the answer in progress, of partsSize bytes. They are written without a
	// copy.
	parts     [][]byte
	partsSize int

	// user is the user that is logged in, or noUser.
	user     atomic.Uint32
	migrated bool
}

func newConn(s *Server, id uint64, netConn net.Conn, tcp *net.TCPConn, remote net.Addr) *conn {
	c := &conn{server: s, id: id, netConn: netConn, tcp: tcp, remote: remote, clientID: xxh32([]byte(remote.String()))}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.user.Store(noUser)
	c.reader = bufio.NewReaderSize(netConn, readBufferSize)
	s.clients.add(c.clientID, remote.String(), c)
	return c
}

// close closes the connection, with reset by a TCP reset. Its goroutine ends by itself.
func (c *conn) close(reset bool) {
	c.cancel()
	if c.tcp != nil {
		if reset {
			_ = c.tcp.SetLinger(0)
		}
		// Not the Close of the TLS connection: it sends an alert, and blocks while the client does
		// not read.
		_ = c.tcp.Close()
		return
	}
	_ = c.netConn.Close()
}

// limitLogin starts the time within which the client must log in, or ends it when it has.
func (c *conn) limitLogin() {
	var deadline time.Time
	if c.user.Load() == noUser && c.server.opts.loginTimeout > 0 {
		deadline = time.Now().Add(c.server.opts.loginTimeout)
	}
	// A stop that ends reading at the same moment is noticed before the next request.
	_ = c.netConn.SetReadDeadline(deadline)
}

func (c *conn) run() {
	c.limitLogin()
	err := c.serveRequests()
	if c.server.ctx.Err() == nil && err != nil && !errors.Is(err, io.EOF) {
		c.server.log.Debug("connection ended", zap.Uint64("connection", c.id), zap.Stringer("address", c.remote), zap.Error(err))
	}
}

// serveRequests answers requests until the connection or the server ends.
func (c *conn) serveRequests() error {
	for first := true; ; first = false {
		if !c.nextRequestBuffered() {
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
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return errNoLogin
			}
			return err
		}
		length := binary.LittleEndian.Uint32(header)
		if first && length == 0 && c.foreignClient() {
			return c.refuseForeignClient()
		}
		command := Command(binary.LittleEndian.Uint32(header[4:]))
		_, _ = c.reader.Discard(frameHeaderSize)
		if length < 4 {
			c.answer(StatusInvalidCommand)
			continue
		}
		if err := c.serveRequest(command, length-4); err != nil {
			return err
		}
	}
}

// stopping reports whether the server was asked to stop and did not crash.
func (c *conn) stopping() bool { return c.server.ctx.Err() != nil && !c.server.crashed.Load() }

// sendDisconnected sends a status that answers no request, as the real server does when it stops.
func (c *conn) sendDisconnected() error {
	c.answer(StatusDisconnected)
	return c.flush()
}

// nextRequestBuffered reports whether the next request has arrived completely, so that the answers
// in out may be written together with its own.
func (c *conn) nextRequestBuffered() bool {
	n := c.reader.Buffered()
	if n < frameHeaderSize || len(c.out) >= maxKeptBuffer {
		return false
	}
	header, err := c.reader.Peek(4)
	return err == nil && uint64(binary.LittleEndian.Uint32(header))+4 <= uint64(n)
}

// serveRequest reads the body of one request, carries it out and answers.
func (c *conn) serveRequest(command Command, length uint32) error {
	var (
		send *sendRequest
		body []byte
		st   Status
		err  error
	)
	if command == SendMessages {
		send, st, err = c.readSend(length)
	} else {
		body, err = c.readControlBody(length)
	}
	if err != nil {
		return err
	}
	headerAt := len(c.out)
	bodyAt := headerAt + frameHeaderSize
	c.out = append(c.out, 0, 0, 0, 0, 0, 0, 0, 0)
	c.parts, c.partsSize = nil, 0
	switch {
	case st != StatusOK:
	case send != nil:
		st = c.send(send)
	default:
		st = c.runCommand(command, body)
	}
	if st != StatusOK {
		c.out = c.out[:bodyAt]
		c.parts, c.partsSize = nil, 0
	}
	binary.LittleEndian.PutUint32(c.out[headerAt:], uint32(st))
	binary.LittleEndian.PutUint32(c.out[headerAt+4:], uint32(len(c.out)-bodyAt+c.partsSize))
	if st == StatusStaleClient || st == StatusClientNotFound {
		return errors.Join(c.flush(), errCloseConn)
	}
	if len(c.parts) > 0 {
		return c.flush(c.parts...)
	}
	return nil
}

// answer queues an answer without a body.
func (c *conn) answer(st Status) {
	c.out = binary.LittleEndian.AppendUint32(c.out, uint32(st))
	c.out = append(c.out, 0, 0, 0, 0)
}
