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

// Dialer opens connections through the official SDK. The zero value is ready and safe for
// concurrent use.
type Dialer struct{}

var (
	_ transport.Dialer = Dialer{}
	_ transport.Prober = Dialer{}
)

// maxConstructors bounds the concurrent constructors of the SDK in this process. A constructor
// dials a listener on loopback, so it returns at once. Only when the process has no file
// descriptors left it retries, every 2 s. A constructor whose caller has gone counts until it
// returns.
const maxConstructors = 16

var constructors = make(chan struct{}, maxConstructors)

// handshakeTimeout bounds the two steps over loopback for contexts without a deadline.
const handshakeTimeout = 10 * time.Second

// Dial connects to the server first, so that a refused or silent address ends the call before the
// SDK is used.
func (Dialer) Dial(ctx context.Context, address string, cfg *tls.Config) (transport.Conn, error) {
	serverSide, err := transport.Connect(ctx, address, cfg)
	if err != nil {
		return nil, err
	}
	client, sdkSide, err := newClient(ctx)
	if err != nil {
		transport.Abort(serverSide)
		return nil, &iggyerr.ConnError{Op: "connect", Addr: address, Err: transport.CauseOf(ctx, err)}
	}
	return newConn(address, client, serverSide, sdkSide), nil
}

// Probe tells whether a server speaks the protocol of Iggy 0.9 or later.
func (Dialer) Probe(ctx context.Context, address string, cfg *tls.Config) error {
	return transport.Probe(ctx, address, cfg)
}

// newClient returns an SDK client and the relay's end of its connection.
func newClient(ctx context.Context) (*tcp.IggyTcpClient, *net.TCPConn, error) {
	select {
	case constructors <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	ln, err := listen()
	if err != nil {
		<-constructors
		return nil, nil, fmt.Errorf("relay: %w", err)
	}
	client, err := construct(ctx, ln)
	if err != nil {
		return nil, nil, err
	}
	sdkSide, err := accept(ctx, ln, client)
	if err != nil {
		_ = client.Close()
		return nil, nil, fmt.Errorf("relay: %w", err)
	}
	return client, sdkSide, nil
}

func listen() (*net.TCPListener, error) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		// A machine without IPv4.
		ln, err = net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv6loopback})
	}
	return ln, err
}

// construct runs the SDK's constructor. It releases its place in constructors, and closes ln when
// it fails.
func construct(ctx context.Context, ln *net.TCPListener) (*tcp.IggyTcpClient, error) {
	type result struct {
		client *tcp.IggyTcpClient
		err    error
	}
	var mu sync.Mutex
	cancelled := false
	results := make(chan result, 1)
	go func() {
		defer func() { <-constructors }()
		client, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(ln.Addr().String()))
		mu.Lock()
		defer mu.Unlock()
		if err != nil || cancelled {
			_ = ln.Close()
		}
		if err == nil && cancelled {
			_ = client.Close()
		}
		results <- result{client, err}
	}()
	select {
	case r := <-results:
		return r.client, r.err
	case <-ctx.Done():
		mu.Lock()
		cancelled = true
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

// accept accepts the client's connection from ln and closes ln. Another process of the machine may
// have dialed ln, too. So accept takes one connection, and answers a ping of the client there,
// which proves that the connection is the client's.
func accept(ctx context.Context, ln *net.TCPListener, client *tcp.IggyTcpClient) (*net.TCPConn, error) {
	defer func() { _ = ln.Close() }()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(handshakeTimeout)
	}
	_ = ln.SetDeadline(deadline)
	sdkSide, err := ln.AcceptTCP()
	if err != nil {
		return nil, err
	}
	// This closes the client's connection if it was not accepted.
	_ = ln.Close()
	stop := context.AfterFunc(ctx, func() { _ = sdkSide.Close() })
	defer stop()
	_ = sdkSide.SetDeadline(deadline)
	pong := make(chan error, 1)
	go func() { pong <- client.Ping() }()
	err = answerPing(sdkSide)
	if err != nil {
		_ = sdkSide.Close()
	}
	if err = errors.Join(err, <-pong); err != nil {
		_ = sdkSide.Close()
		return nil, err
	}
	err = sdkSide.SetDeadline(time.Time{})
	return sdkSide, err
}

func answerPing(sdkSide *net.TCPConn) error {
	var got [wire.FrameHeaderSize]byte
	if _, err := io.ReadFull(sdkSide, got[:]); err != nil {
		return err
	}
	want := wire.BeginFrame(nil, 1)
	wire.EndFrame(want, 0)
	if [wire.FrameHeaderSize]byte(want) != got {
		return errors.New("another process connected first")
	}
	_, err := sdkSide.Write(make([]byte, transport.AnswerHeaderSize))
	return err
}
