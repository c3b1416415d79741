package embedded

import (
	"encoding/binary"
	"os"
	"sync"

	"github.com/zeebo/xxh3"
)

// A log file is a sequence of frames `[u32 length][u64 check][length bytes]`, each of which holds one
// stored message. The check is XXH3-64 over the length, the number of the partition and the
// position of the frame in the file. So a frame header is recognized without what precedes it, and
// only at its place: neither the payload of a message nor a part of another file is taken for one.
// The message has a checksum of its own.
const frameOverhead = 12

// frameCheck is the check of a frame of this length at a position in a log of a partition.
func frameCheck(partition uint64, position int64, length uint32) uint64 {
	var b [20]byte
	binary.LittleEndian.PutUint32(b[:], length)
	binary.LittleEndian.PutUint64(b[4:], partition)
	binary.LittleEndian.PutUint64(b[12:], uint64(position))
	return xxh3.Hash(b[:])
}

func appendFrameHeader(b []byte, partition uint64, position int64, length uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b, length)
	return binary.LittleEndian.AppendUint64(b, frameCheck(partition, position, length))
}

// frameWriter appends frames to a file.
type frameWriter struct {
	file      *os.File
	partition uint64
	position  int64 // of the next frame
	buf       []byte
}

// maxFrameBuffer is how many bytes of frames are gathered for one write. A message of at least this
// size is written without a copy.
const maxFrameBuffer = 256 << 10

var frameBuffers = sync.Pool{New: func() any { b := make([]byte, 0, maxFrameBuffer+64<<10); return &b }}

// writeMessages writes parts, each of which is a run of stored messages.
func (w *frameWriter) writeMessages(parts [][]byte) error {
	buf := frameBuffers.Get().(*[]byte)
	defer frameBuffers.Put(buf)
	w.buf = (*buf)[:0]
	for _, part := range parts {
		for len(part) > 0 {
			size := messageSize(part)
			if err := w.writeMessage(part[:size]); err != nil {
				return err
			}
			part = part[size:]
		}
	}
	return w.flush()
}

func (w *frameWriter) writeMessage(m []byte) error {
	w.buf = appendFrameHeader(w.buf, w.partition, w.position, uint32(len(m)))
	w.position += frameOverhead + int64(len(m))
	if len(m) < maxFrameBuffer && len(w.buf)+len(m) <= cap(w.buf) {
		w.buf = append(w.buf, m...)
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	if len(m) < maxFrameBuffer {
		w.buf = append(w.buf, m...)
		return nil
	}
	_, err := w.file.Write(m)
	return err
}

func (w *frameWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.file.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}
