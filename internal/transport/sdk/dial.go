package sdk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// Dialer opens connections through the official SDK. The zero value is ready
// and safe for concurrent use.
type Dialer struct{}

var _ transport.Dialer = Dialer{}

// maxConstructing bounds the SDK's constructors under way in this process. A
// constructor dials loopback, where a listener waits for it, so it returns at
// once; only a process out of file descriptors makes it try again, every 2 s,
// until there are some. One whose caller has gone stays counted until then.
const maxConstructing = 16

var constructing = make(chan struct{}, maxConstructing)

// handshakeTimeout bounds the two steps over loopback for contexts without a
// deadline.
const handshakeTimeout = 10 * time.Second

// Dial connects to the server first, so that a refused or silent address ends
// the call before the SDK is involved.
func (Dialer) Dial(ctx context.Context, address string, cfg *tls.Config) (transport.Conn, error) {
	outer, err := transport.Connect(ctx, address, cfg)
	if err != nil {
		return nil, err
	}
	client, inner, err := attach(ctx)
	if err != nil {
		transport.Abort(outer)
		return nil, &iggyerr.ConnError{Op: "connect", Addr: address, Err: transport.EndOf(ctx, err)}
	}
	return newConn(address, client, outer, inner), nil
}

// attach makes an SDK client that is connected to inner.
func attach(ctx context.Context) (*tcp.IggyTcpClient, *net.TCPConn, error) {
	select {
	case constructing <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	ln, err := listen()
	if err != nil {
		<-constructing
		return nil, nil, fmt.Errorf("relay: %w", err)
	}
	client, err := construct(ctx, ln)
	if err != nil {
		return nil, nil, err
	}
	inner, err := accept(ctx, ln, client)
	if err != nil {
		_ = client.Close()
		return nil, nil, fmt.Errorf("relay: %w", err)
	}
	return client, inner, nil
}

func listen() (*net.TCPListener, error) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		// A machine without IPv4.
		ln, err = net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv6loopback})
	}
	return ln, err
}

// construct runs the SDK's constructor. It gives up its place in constructing,
// and closes ln when it fails.
func construct(ctx context.Context, ln *net.TCPListener) (*tcp.IggyTcpClient, error) {
	type result struct {
		client *tcp.IggyTcpClient
		err    error
	}
	var mu sync.Mutex
	abandoned := false
	results := make(chan result, 1)
	go func() {
		defer func() { <-constructing }()
		client, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(ln.Addr().String()))
		mu.Lock()
		defer mu.Unlock()
		if err != nil || abandoned {
			_ = ln.Close()
		}
		if err == nil && abandoned {
			_ = client.Close()
		}
		results <- result{client, err}
	}()
	select {
	case r := <-results:
		return r.client, r.err
	case <-ctx.Done():
		mu.Lock()
		abandoned = true
		mu.Unlock()
		select {
		case r := <-results: // it had returned just before
			if r.err == nil {
				_ = ln.Close()
				_ = r.client.Close()
			}
		default:
		}
		return nil, ctx.Err()
	}
}

// accept takes the client's connection off ln and closes ln. Another process
// of the machine may have dialed ln, too: so one connection is accepted, and a
// ping of the client, answered there, proves that it is the client's.
func accept(ctx context.Context, ln *net.TCPListener, client *tcp.IggyTcpClient) (*net.TCPConn, error) {
	defer func() { _ = ln.Close() }()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(handshakeTimeout)
	}
	_ = ln.SetDeadline(deadline)
	inner, err := ln.AcceptTCP()
	if err != nil {
		return nil, err
	}
	// The client's connection ends here if it is still waiting to be accepted.
	_ = ln.Close()
	stop := context.AfterFunc(ctx, func() { _ = inner.Close() })
	defer stop()
	_ = inner.SetDeadline(deadline)
	pong := make(chan error, 1)
	go func() { pong <- client.Ping() }()
	err = answerPing(inner)
	if err != nil {
		_ = inner.Close()
	}
	if err = errors.Join(err, <-pong); err != nil {
		_ = inner.Close()
		return nil, err
	}
	return inner, inner.SetDeadline(time.Time{})
}

func answerPing(inner *net.TCPConn) error {
	var got [wire.FrameHeadSize]byte
	if _, err := io.ReadFull(inner, got[:]); err != nil {
		return err
	}
	want := wire.BeginFrame(nil, 1)
	wire.EndFrame(want, 0)
	if [wire.FrameHeadSize]byte(want) != got {
		return errors.New("another process spoke first")
	}
	_, err := inner.Write(make([]byte, transport.AnswerHeadSize))
	return err
}
