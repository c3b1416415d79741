package iggytest

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// maxDelayedChunks bounds the chunks that are in flight in one direction, and with
	// maxDelayedChunk their bytes, to 128 MiB. When there are as many, reading from the client
	// waits, or writing to it.
	maxDelayedChunks = 4096
	maxDelayedChunk  = 32 << 10
)

// delayedConn is a client's connection on which every byte arrives a fixed time later, in each
// direction, while others follow it.
type delayedConn struct {
	net.Conn
	tcp   *net.TCPConn
	delay time.Duration

	incoming, outgoing chan delayedChunk
	// current is the rest of the chunk that Read returns, and readErr is what follows it.
	current []byte
	readErr error

	closeOnce sync.Once
	closed    chan struct{} // closed by Close
	sent      chan struct{} // closed when the outgoing direction has ended
	wg        sync.WaitGroup
}

// delayedChunk is a part of the bytes in flight, or the end of them.
type delayedChunk struct {
	due   time.Time
	bytes []byte
	err   error
}

// newDelayedConn starts to read from tcp. The caller must call Close and wait.
func newDelayedConn(tcp *net.TCPConn, d time.Duration) *delayedConn {
	c := &delayedConn{
		Conn: tcp, tcp: tcp, delay: d, closed: make(chan struct{}), sent: make(chan struct{}),
		incoming: make(chan delayedChunk, maxDelayedChunks), outgoing: make(chan delayedChunk, maxDelayedChunks),
	}
	c.wg.Go(c.receive)
	c.wg.Go(c.send)
	return c
}

// wait returns when the goroutines have ended after Close.
func (c *delayedConn) wait() { c.wg.Wait() }

// waitSent returns when everything up to closeWrite is sent, or the connection is closed.
func (c *delayedConn) waitSent() { <-c.sent }

// Close ends the connection at once. What is in flight is lost.
func (c *delayedConn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return c.tcp.Close()
}

// closeWrite ends the outgoing direction after everything that was written.
func (c *delayedConn) closeWrite() { _ = c.put(c.outgoing, delayedChunk{err: io.EOF}) }

func (c *delayedConn) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		n := min(len(b), maxDelayedChunk)
		if err := c.put(c.outgoing, delayedChunk{bytes: append([]byte(nil), b[:n]...)}); err != nil {
			return written, err
		}
		written += n
		b = b[n:]
	}
	return written, nil
}

func (c *delayedConn) Read(b []byte) (int, error) {
	for len(c.current) == 0 && c.readErr == nil {
		chunk, err := c.take(c.incoming)
		if err != nil {
			return 0, err
		}
		c.current, c.readErr = chunk.bytes, chunk.err
	}
	n := copy(b, c.current)
	c.current = c.current[n:]
	if n == 0 {
		return 0, c.readErr
	}
	return n, nil
}

// receive reads from the socket until it ends.
func (c *delayedConn) receive() {
	for {
		b := make([]byte, maxDelayedChunk)
		n, err := c.tcp.Read(b)
		if c.put(c.incoming, delayedChunk{bytes: b[:n:n], err: err}) != nil || err != nil {
			return
		}
	}
}

// send writes to the socket until the connection or its outgoing direction ends.
func (c *delayedConn) send() {
	defer close(c.sent)
	for {
		chunk, err := c.take(c.outgoing)
		if err != nil {
			return
		}
		if chunk.err != nil {
			_ = c.tcp.CloseWrite()
			return
		}
		if _, err := c.tcp.Write(chunk.bytes); err != nil {
			// Reading fails too, and ends the relay. Until then what is written is dropped.
			c.discardOutgoing()
			return
		}
	}
}

func (c *delayedConn) discardOutgoing() {
	for {
		chunk, err := c.take(c.outgoing)
		if err != nil || errors.Is(chunk.err, io.EOF) {
			return
		}
	}
}

func (c *delayedConn) put(queue chan<- delayedChunk, chunk delayedChunk) error {
	chunk.due = time.Now().Add(c.delay)
	select {
	case queue <- chunk:
		return nil
	case <-c.closed:
		return net.ErrClosed
	}
}

// take returns the next chunk when it is due.
func (c *delayedConn) take(queue <-chan delayedChunk) (delayedChunk, error) {
	select {
	case chunk := <-queue:
		timer := time.NewTimer(time.Until(chunk.due))
		defer timer.Stop()
		select {
		case <-timer.C:
			return chunk, nil
		case <-c.closed:
		}
	case <-c.closed:
	}
	return delayedChunk{}, net.ErrClosed
}
