package main

import (
	"net"
	"sync"
	"time"
)

// relayDelayed returns a relay that delivers every byte later by oneWay, in each direction, as for
// a server that is some way off.
func relayDelayed(oneWay time.Duration) func(client, server net.Conn, closed <-chan struct{}) {
	return func(client, server net.Conn, _ <-chan struct{}) {
		closeBoth := func() {
			_ = client.Close()
			_ = server.Close()
		}
		var directions sync.WaitGroup
		directions.Go(func() { copyDelayed(server, client, oneWay); closeBoth() })
		directions.Go(func() { copyDelayed(client, server, oneWay); closeBoth() })
		directions.Wait()
	}
}

// chunk is some bytes and when they are due.
type chunk struct {
	bytes []byte
	due   time.Time
}

// copyDelayed copies from one connection to the other, each byte later by delay. At most 1,024
// chunks are on their way.
func copyDelayed(to, from net.Conn, delay time.Duration) {
	chunks := make(chan chunk, 1024)
	var writer sync.WaitGroup
	writer.Go(func() {
		failed := false
		for c := range chunks {
			if failed {
				continue
			}
			time.Sleep(time.Until(c.due))
			_, err := to.Write(c.bytes)
			failed = err != nil
		}
	})
	for {
		buffer := make([]byte, 64<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			chunks <- chunk{buffer[:n], time.Now().Add(delay)}
		}
		if err != nil {
			break
		}
	}
	close(chunks)
	writer.Wait()
}
