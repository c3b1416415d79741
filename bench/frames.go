package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// The codes of the commands.
const (
	codePoll = 100
	codeSend = 101
)

// frames sends requests that are encoded beforehand, one for each partition, on a plain socket. It
// measures the throughput of the server on one connection.
type frames struct {
	conn    net.Conn
	answers *bufio.Reader
	frames  [][]byte
}

func (b *bench) frames(ctx context.Context, topic string, partitions int) (*frames, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", b.target.address)
	if err != nil {
		return nil, err
	}
	f := &frames{conn: conn, answers: bufio.NewReader(conn), frames: make([][]byte, partitions)}
	login := wire.AppendLogin(wire.BeginFrame(nil, wire.CodeLogin), b.target.username, b.target.password)
	wire.EndFrame(login, 0)
	if _, err := conn.Write(login); err != nil {
		return nil, err
	}
	if err := f.answer(); err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	for id := range f.frames {
		var batch wire.Batch
		for i := range batchSize {
			batch.Append([16]byte{byte(id), byte(i), byte(i >> 8), 1, byte(id >> 8)}, 1, b.payload, nil)
		}
		f.frames[id] = sendFrame(b.stream, topic, uint32(id), &batch)
	}
	return f, nil
}

func sendFrame(stream, topic string, partition uint32, batch *wire.Batch) []byte {
	frame := wire.BeginFrame(nil, codeSend)
	at := len(frame)
	frame = append(frame, 0, 0, 0, 0)
	for _, s := range []string{stream, topic} {
		frame = append(append(frame, 2, byte(len(s))), s...)
	}
	frame = binary.LittleEndian.AppendUint32(append(frame, 2, 4), partition)
	frame = binary.LittleEndian.AppendUint32(frame, uint32(batch.Len()))
	binary.LittleEndian.PutUint32(frame[at:], uint32(len(frame)-at-4))
	frame = append(batch.AppendIndex(frame), batch.Bytes()...)
	wire.EndFrame(frame, 0)
	return frame
}

// answer reads one answer and discards its body.
func (f *frames) answer() error {
	var head [8]byte
	if _, err := io.ReadFull(f.answers, head[:]); err != nil {
		return err
	}
	if status := binary.LittleEndian.Uint32(head[:]); status != 0 {
		return fmt.Errorf("status %d", status)
	}
	_, err := f.answers.Discard(int(binary.LittleEndian.Uint32(head[4:])))
	return err
}

// send sends the frames of n messages, with that many requests in flight.
func (f *frames) send(n, inFlight int) error {
	requests := n / batchSize
	room := make(chan struct{}, inFlight)
	written := make(chan error, 1)
	go func() {
		for i := range requests {
			room <- struct{}{}
			if _, err := f.conn.Write(f.frames[i%len(f.frames)]); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for range requests {
		if err := f.answer(); err != nil {
			_ = f.conn.Close() // ends the writer
			return err
		}
		<-room
	}
	return <-written
}

// poll polls the first n messages, one request at a time, and discards the answers.
func (f *frames) poll(stream, topic string, n int) error {
	for i := range n / batchSize {
		frame := pollFrame(stream, topic, uint32(i%len(f.frames)), uint64(i/len(f.frames)*batchSize))
		if _, err := f.conn.Write(frame); err != nil {
			return err
		}
		if err := f.answer(); err != nil {
			return err
		}
	}
	return nil
}

func pollFrame(stream, topic string, partition uint32, offset uint64) []byte {
	frame := append(wire.BeginFrame(nil, codePoll), 1)
	for _, s := range []string{"bench", stream, topic} {
		frame = append(append(frame, 2, byte(len(s))), s...)
	}
	frame = binary.LittleEndian.AppendUint32(append(frame, 1), partition)
	frame = binary.LittleEndian.AppendUint64(append(frame, 1), offset)
	frame = append(binary.LittleEndian.AppendUint32(frame, batchSize), 0)
	wire.EndFrame(frame, 0)
	return frame
}
