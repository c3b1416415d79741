package transporttest

import (
	"encoding/hex"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// evictions are answers recorded from a server 0.9.0-edge.5: to a register request without a body,
// and to one with a protocol version that the server does not accept.
var evictions = map[bool]string{
	false: strings.Repeat("00", 32) + "21bb05c88727bab88d0ec27be8a72d4600010000" + strings.Repeat("00", 8) + "0d" + strings.Repeat("00", 67) + "01" +
		strings.Repeat("00", 126) + "0f",
	true: strings.Repeat("00", 49) + "01" + strings.Repeat("00", 10) + "0d" + strings.Repeat("00", 67) + "01" +
		strings.Repeat("00", 16) + "2c000000" + "2c" + strings.Repeat("00", 105) + "0e",
}

// NewerServer starts a server that behaves like one of Iggy 0.9 towards a client that is not logged
// in: it waits for a header of 256 bytes and answers a request to register with an eviction. With
// closes it closes each other connection in place of being silent. It returns its address.
func NewerServer(tb testing.TB, closes bool) (address string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		open []net.Conn
	)
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, nc)
			mu.Unlock()
			wg.Go(func() {
				defer func() { _ = nc.Close() }()
				answerNewer(nc, closes)
			})
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, nc := range open {
			_ = nc.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

func answerNewer(nc net.Conn, closes bool) {
	head := make([]byte, 256)
	if _, err := io.ReadFull(nc, head[:4]); err != nil || closes && head[0] != 0 {
		return
	}
	if _, err := io.ReadFull(nc, head[4:]); err != nil {
		return
	}
	answer, err := hex.DecodeString(evictions[head[48] > 0])
	if err == nil {
		_, _ = nc.Write(answer)
	}
	_, _ = io.Copy(io.Discard, nc)
}
