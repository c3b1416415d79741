package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// openInput opens a file, or standard input. The size is -1 when the input can be read only once.
func (a *app) openInput(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(a.in), -1, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	if info.IsDir() {
		_ = file.Close()
		return nil, 0, fmt.Errorf("%s: is a directory", name)
	}
	if !info.Mode().IsRegular() {
		return file, -1, nil
	}
	return file, info.Size(), nil
}

// countingReader counts the bytes that were read, also by a Read that its caller did not wait for.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// interruptible returns a reader whose Read also returns when ctx ends: a Read from a terminal may
// block for ever. Its goroutine then ends with the process. Regular files are returned as they are.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	if c, ok := r.(*countingReader); ok {
		if f, ok := c.r.(*os.File); ok {
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
				return r
			}
		}
	}
	return &interruptibleReader{ctx: ctx, r: r}
}

// interruptibleReader reads in a goroutine, so that Read can return when ctx ends.
type interruptibleReader struct {
	ctx    context.Context
	r      io.Reader
	unread bytes.Buffer
	err    error
}

func (i *interruptibleReader) Read(b []byte) (int, error) {
	if i.unread.Len() > 0 {
		return i.unread.Read(b)
	}
	if i.err != nil {
		return 0, i.err
	}
	type result struct {
		data []byte
		err  error
	}
	got := make(chan result, 1)
	go func() {
		buf := make([]byte, 64<<10)
		n, err := i.r.Read(buf)
		got <- result{buf[:n], err}
	}()
	select {
	case read := <-got:
		i.unread.Write(read.data)
		i.err = read.err
		if i.unread.Len() == 0 {
			return 0, i.err
		}
		return i.unread.Read(b)
	case <-i.ctx.Done():
		return 0, context.Cause(i.ctx)
	}
}
