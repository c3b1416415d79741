package quickack_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/quickack"
)

// TestSecondAnswerIsNotHeldBack sends a request to a server without TCP_NODELAY that answers it in two
// writes.
func TestSecondAnswerIsNotHeldBack(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	served := make(chan error, 1)
	go func() { served <- serve(listener) }()
	nc, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	in := quickack.Reader(nc.(*net.TCPConn))
	least := time.Hour
	for i := range 40 {
		began := time.Now()
		_, err = nc.Write(make([]byte, 1))
		require.NoError(t, err)
		for range 2 {
			_, err = io.ReadFull(in, make([]byte, 8))
			require.NoError(t, err)
		}
		if i >= 20 { // the first acknowledgements of a connection are not delayed
			least = min(least, time.Since(began))
		}
	}
	require.Less(t, least, 20*time.Millisecond, "a delayed acknowledgement takes 40 ms")
	require.NoError(t, nc.Close())
	require.NoError(t, <-served)
}

func serve(listener net.Listener) error {
	nc, err := listener.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	if err := nc.(*net.TCPConn).SetNoDelay(false); err != nil {
		return err
	}
	for {
		if _, err := io.ReadFull(nc, make([]byte, 1)); err != nil {
			return nil // the client has closed it
		}
		for range 2 {
			if _, err := nc.Write(make([]byte, 8)); err != nil {
				return err
			}
		}
	}
}
