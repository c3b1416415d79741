package iggytest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"syscall"

	"github.com/fetchbox/fetchbox-iggy/internal/quickack"
)

var (
	errCutByFault   = errors.New("cut by a fault")
	errResetByFault = errors.New("reset by a fault")
)

// forwardAnswers forwards answers until the server or a fault ends the connection.
func (r *relay) forwardAnswers() {
	defer r.cancel()
	err := r.copyAnswers(bufio.NewReaderSize(quickack.Reader(r.server), 64<<10))
	if errors.Is(err, errResetByFault) || errors.Is(err, syscall.ECONNRESET) && !r.cutByFault.Load() {
		r.reset()
		return
	}
	_ = r.server.Close()
	r.closeWrite()
}

func (r *relay) copyAnswers(in *bufio.Reader) error {
	var client io.Writer = r.client
	for {
		header := make([]byte, headerSize)
		n, err := io.ReadFull(in, header)
		r.waitInBlackHole()
		var x *exchange
		select {
		case x = <-r.pending:
		default:
			err = io.EOF
		}
		if err != nil {
			// Bytes that answer no request pass unchanged.
			_, _ = client.Write(header[:n])
			_, _ = io.Copy(client, in)
			return err
		}
		body := io.LimitReader(in, int64(binary.LittleEndian.Uint32(header[4:])))
		if err := r.applyPassing(x, true); err != nil {
			return err
		}
		if i := x.plan.replacementAt(true); i != nil {
			i.applied(x.request)
			if i.fault.kind == kindSilence {
				client = io.Discard
			}
			err = r.replaceAnswer(client, i.fault, header, body, x.plan.rate())
		} else {
			err = r.copy(client, header, body, x.plan.rate())
		}
		if err != nil {
			return err
		}
		close(x.done)
		r.proxy.notifyChange()
	}
}

// replaceAnswer does what a fault wants in place of forwarding an answer.
func (r *relay) replaceAnswer(client io.Writer, f Fault, header []byte, body io.Reader, rate int) error {
	switch f.kind {
	case kindAnswer, kindGarbage:
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		b := f.bytes
		if f.kind == kindAnswer {
			b = answerFrame(f.status)
		}
		return r.write(client, b, rate)
	case kindSilence:
		return r.copy(client, header, body, 0)
	case kindBlackHole:
		r.startBlackHole.Do(func() { close(r.blackHole) })
		r.waitInBlackHole()
		return r.ctx.Err()
	case kindReset:
		return errResetByFault
	default:
		size := headerSize + int(binary.LittleEndian.Uint32(header[4:]))
		n := f.bytesBeforeCut(size)
		if n < headerSize {
			header, body = header[:n], nil
		} else {
			body = io.LimitReader(body, int64(n-headerSize))
		}
		return errors.Join(r.copy(client, header, body, rate), errCutByFault)
	}
}
