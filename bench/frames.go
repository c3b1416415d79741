package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// The codes of the commands.
const (
	codePoll = 100
	codeSend = 101
)

const (
	// framesInFlight is the number of requests that the prepared frames have in flight.
	framesInFlight = 8
	// frameBodies is the number of different bodies of the prepared frames.
	frameBodies = 8
)

// frames sends requests that are encoded beforehand, on a plain socket. It measures what the server
// and one connection can do with requests of this size, so many in flight, when the client does almost
// nothing. Requests of another size, or more of them in flight, may be faster.
type frames struct {
	conn    net.Conn
	answers *bufio.Reader
	batch   int
	bodies  [][]byte // index and messages of a request
}

// dialFrames connects, and encodes requests of so many messages with this payload and these headers.
func dialFrames(ctx context.Context, address string, target *server, batch int, payload, headers []byte) (*frames, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	f := &frames{conn: conn, answers: bufio.NewReaderSize(conn, 256<<10), batch: batch, bodies: make([][]byte, frameBodies)}
	login := wire.AppendLogin(wire.BeginFrame(nil, wire.CodeLogin), target.username, target.password)
	wire.EndFrame(login, 0)
	if err := f.request(login); err != nil {
		f.close()
		return nil, fmt.Errorf("login: %w", err)
	}
	for id := range f.bodies {
		var b wire.Batch
		for i := range batch {
			b.Append([16]byte{byte(id), byte(i), byte(i >> 8), 1}, 1, payload, headers)
		}
		f.bodies[id] = b.AppendIndex(nil)
		for _, chunk := range b.Chunks() {
			f.bodies[id] = append(f.bodies[id], chunk...)
		}
	}
	return f, nil
}

func (f *frames) close() { _ = f.conn.Close() }

// request writes a request and waits for its answer.
func (f *frames) request(frame []byte) error {
	if _, err := f.conn.Write(frame); err != nil {
		return err
	}
	return f.answer(0)
}

// answer reads one answer and discards its body. That of a poll must have so many messages; 0: it is not
// one of a poll.
func (f *frames) answer(messages int) error {
	var head [8]byte
	if _, err := io.ReadFull(f.answers, head[:]); err != nil {
		return err
	}
	if status := binary.LittleEndian.Uint32(head[:]); status != 0 {
		return fmt.Errorf("status %d", status)
	}
	size := int(binary.LittleEndian.Uint32(head[4:]))
	if messages > 0 {
		body, err := f.answers.Peek(min(size, 16)) // the partition, its current offset, and the number of messages
		if err != nil {
			return err
		}
		if len(body) < 16 {
			return fmt.Errorf("the answer of a poll has %d bytes", size)
		}
		if n := int(binary.LittleEndian.Uint32(body[12:])); n != messages {
			return fmt.Errorf("the answer of a poll has %d messages, not %d", n, messages)
		}
	}
	_, err := f.answers.Discard(size)
	return err
}

// pipeline calls write for one request after the other until more returns false, with at most so
// many requests in flight, and reads the answers, of polls with so many messages each. It returns the
// number of requests.
func (f *frames) pipeline(inFlight, messages int, more func(i int) bool, write func(i int) error) (int, error) {
	if inFlight == 1 {
		for i := 0; ; i++ {
			if !more(i) {
				return i, nil
			}
			if err := write(i); err != nil {
				return i, err
			}
			if err := f.answer(messages); err != nil {
				return i, err
			}
		}
	}
	written := make(chan error, inFlight-1) // nil for each request
	go func() {
		defer close(written)
		for i := 0; more(i); i++ {
			err := write(i)
			written <- err
			if err != nil {
				return
			}
		}
	}()
	n := 0
	for err := range written {
		if err == nil {
			err = f.answer(messages)
		}
		if err != nil {
			f.close() // ends the writer
			for range written {
			}
			return n, err
		}
		n++
	}
	return n, nil
}

// until returns a function that returns true for length, and for the first request.
func until(length time.Duration) func(int) bool {
	end := time.Now().Add(length)
	return func(i int) bool { return i == 0 || time.Now().Before(end) }
}

// heads encodes what precedes the bodies in requests for the partitions of topics.
func (f *frames) heads(stream string, topics []string, partitions int) [][]byte {
	heads := make([][]byte, 0, len(topics)*partitions)
	for partition := range uint32(partitions) {
		for _, topic := range topics {
			head := wire.BeginFrame(nil, codeSend)
			at := len(head)
			head = append(head, 0, 0, 0, 0)
			for _, s := range []string{stream, topic} {
				head = append(append(head, 2, byte(len(s))), s...)
			}
			head = binary.LittleEndian.AppendUint32(append(head, 2, 4), partition)
			head = binary.LittleEndian.AppendUint32(head, uint32(f.batch))
			binary.LittleEndian.PutUint32(head[at:], uint32(len(head)-at-4))
			wire.EndFrame(head, len(f.bodies[0]))
			heads = append(heads, head)
		}
	}
	return heads
}

// write writes the i-th request.
func (f *frames) write(heads [][]byte, i int) error {
	parts := net.Buffers{heads[i%len(heads)], f.bodies[i%len(f.bodies)]}
	_, err := parts.WriteTo(f.conn)
	return err
}

// send returns the work of sending to the partitions of topics.
func (f *frames) send(stream string, topics []string, partitions, inFlight int) work {
	heads := f.heads(stream, topics, partitions)
	return func(length time.Duration) (done, error) {
		n, err := f.pipeline(inFlight, 0, until(length), func(i int) error { return f.write(heads, i) })
		return done{messages: n * f.batch}, err
	}
}

// fill sends so many requests to the partitions of a topic.
func (f *frames) fill(stream, topic string, partitions, requests int) error {
	heads := f.heads(stream, []string{topic}, partitions)
	_, err := f.pipeline(framesInFlight, 0, func(i int) bool { return i < requests }, func(i int) error { return f.write(heads, i) })
	return err
}

// poll returns the work of polling a topic with the same number of messages in each partition, from
// the first message to the last, and again. It discards the answers.
func (f *frames) poll(stream, topic string, partitions, filled, inFlight int) work {
	perPartition := filled / partitions
	return func(length time.Duration) (done, error) {
		n, err := f.pipeline(inFlight, f.batch, until(length), func(i int) error {
			offset := i / partitions * f.batch % perPartition
			_, err := f.conn.Write(pollFrame(stream, topic, uint32(i%partitions), uint64(offset), f.batch))
			return err
		})
		return done{messages: n * f.batch}, err
	}
}

func pollFrame(stream, topic string, partition uint32, offset uint64, count int) []byte {
	frame := append(wire.BeginFrame(nil, codePoll), 1)
	for _, s := range []string{"bench", stream, topic} {
		frame = append(append(frame, 2, byte(len(s))), s...)
	}
	frame = binary.LittleEndian.AppendUint32(append(frame, 1), partition)
	frame = binary.LittleEndian.AppendUint64(append(frame, 1), offset)
	frame = append(binary.LittleEndian.AppendUint32(frame, uint32(count)), 0)
	wire.EndFrame(frame, 0)
	return frame
}
