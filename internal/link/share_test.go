package link_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/link"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

// mute is a server that lets anyone log in, once, and answers nothing else.
func mute(t *testing.T) (address string, requests <-chan struct{}) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	asked := make(chan struct{}, 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		nc, err := ln.Accept()
		_ = ln.Close()
		if err != nil {
			return
		}
		defer func() { _ = nc.Close() }()
		for first := true; ; first = false {
			var head [8]byte
			if _, err := io.ReadFull(nc, head[:]); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, nc, int64(binary.LittleEndian.Uint32(head[:]))-4); err != nil {
				return
			}
			if first {
				_, _ = nc.Write([]byte{0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0})
				continue
			}
			asked <- struct{}{}
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return ln.Addr().String(), asked
}

// A request that stalls ends the connection for all that share it. Theirs are lost with it, which is worth another
// attempt, and not the end of the client, which isn't.
func TestStallOfOneIsNoEndForTheOthers(t *testing.T) {
	t.Parallel()
	for _, kind := range []config.Transport{config.TransportNative, config.TransportSDK} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			address, asked := mute(t)
			cfg := settings()
			cfg.Endpoint, cfg.Transport, cfg.RequestTimeout = "iggy://"+address, kind, 500*time.Millisecond
			l, err := link.New("test", cfg)
			require.NoError(t, err)
			require.NoError(t, l.Start(t.Context()))
			defer func() { require.NoError(t, l.Stop(t.Context())) }()
			session, err := l.Session(t.Context())
			require.NoError(t, err)
			errs := make(chan error, 2)
			do := func() {
				errs <- session.Do(t.Context(), func(ctx context.Context, c transport.Conn) error { return c.Ping(ctx) })
			}
			go do()
			<-asked
			go do()
			for range 2 {
				err := <-errs
				require.NotErrorIs(t, err, iggyerr.ErrClosed)
				require.True(t, iggyerr.IsRetryable(err), "%v", err)
				require.ErrorContains(t, err, "no answer within the request timeout")
			}
		})
	}
}
