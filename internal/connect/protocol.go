package connect

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

const (
	// firstAnswerTimeout is how long a server may leave the first request without an answer before
	// it is asked whether it speaks another protocol.
	firstAnswerTimeout = time.Second
	// probeTimeout bounds that question. The answer was measured to take 4 ms.
	probeTimeout = 2 * time.Second
)

// FirstRequest makes the first request on a connection. A server of Iggy 0.9 or later does not
// answer it or closes the connection. Then FirstRequest asks the server on another connection, and
// returns an error that matches iggyerr.ErrProtocol when it is such a server.
func (c *Connector) FirstRequest(ctx context.Context, connection *Connection, request func(context.Context) error) error {
	prober, ok := c.dialer.(transport.Prober)
	if !ok {
		return callback.Recover(func() error { return request(ctx) })
	}
	requests, cancelRequest := context.WithCancel(ctx)
	defer cancelRequest()
	result := make(chan error, 1)
	go func() { result <- callback.Recover(func() error { return request(requests) }) }()
	timer := time.NewTimer(min(firstAnswerTimeout, c.cfg.DialTimeout/4))
	defer timer.Stop()
	select {
	case err := <-result:
		if ctx.Err() == nil && closedWithoutAnswer(err) {
			if foreign := c.probe(ctx, prober, connection); foreign != nil {
				return foreign
			}
		}
		return err
	case <-timer.C:
	}
	probes, cancelProbe := context.WithCancel(ctx)
	defer cancelProbe()
	probed := make(chan error, 1)
	go func() { probed <- c.probe(probes, prober, connection) }()
	select {
	case err := <-result:
		cancelProbe()
		if foreign := <-probed; foreign != nil && err != nil {
			return foreign
		}
		return err
	case foreign := <-probed:
		if foreign != nil {
			cancelRequest()
		}
		if err := <-result; foreign == nil {
			return err
		}
		return foreign
	}
}

// probe returns an error when the server speaks the protocol of Iggy 0.9 or later.
func (c *Connector) probe(ctx context.Context, prober transport.Prober, connection *Connection) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := prober.Probe(ctx, connection.target.Address, connection.TLS); err != nil {
		return &iggyerr.ConnError{Op: "connect", Addr: connection.Address, Err: err}
	}
	return nil
}

// closedWithoutAnswer reports whether the server closed the connection in place of an answer.
func closedWithoutAnswer(err error) bool {
	var conn *iggyerr.ConnError
	return errors.As(err, &conn) && !errors.Is(err, iggyerr.ErrProtocol) && !errors.Is(err, iggyerr.ErrTLS) &&
		(errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}
