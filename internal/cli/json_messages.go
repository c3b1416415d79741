package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// maxMessageJSON is the largest accepted message as JSON, in bytes: more than the largest message
// in hex. It keeps a wrong file from filling the memory.
const maxMessageJSON = 32 << 20

// readProtobuf is readJSON for protobuf messages.
func readProtobuf[T proto.Message](r io.Reader) iter.Seq2[T, error] {
	return readJSON(r, func(raw []byte) (T, error) {
		var none T
		message := none.ProtoReflect().New().Interface().(T)
		return message, protojson.Unmarshal(raw, message)
	})
}

// readJSON reads values in JSON: one, an array of them, or one after the other, as in JSON lines. An
// error names the line, and ends the iteration.
func readJSON[T any](r io.Reader, decode func([]byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		lines := &lineReader{r: r, remaining: maxMessageJSON}
		decoder := json.NewDecoder(lines)
		var none T
		fail := func(err error) { yield(none, lines.withLine(err, decoder.InputOffset())) }

		array, err := lines.startsArray()
		if err != nil {
			fail(err)
			return
		}
		if array {
			if _, err := decoder.Token(); err != nil {
				fail(err)
				return
			}
		}
		for !array || decoder.More() {
			var raw json.RawMessage
			if err := decoder.Decode(&raw); err != nil {
				if !errors.Is(err, io.EOF) || array {
					fail(err)
				}
				return
			}
			end := decoder.InputOffset()
			value, err := decode(raw)
			if err != nil {
				yield(none, lines.withLine(err, end-int64(len(raw))))
				return
			}
			lines.discardBefore(end)
			if !yield(value, nil) {
				return
			}
		}
		if _, err := decoder.Token(); err != nil {
			fail(err)
			return
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			fail(errors.New("something follows the array"))
		}
	}
}

// lineReader finds the line of an offset, and refuses messages that are too long.
type lineReader struct {
	r         io.Reader
	buffered  []byte // read by startsArray and not yet by the decoder
	read      int64
	remaining int
	breaks    []int64 // offsets of the line breaks after the last discardBefore
	discarded int     // number of line breaks before these
}

var errTooLong = fmt.Errorf("a message is longer than %s", config.Bytes(maxMessageJSON))

// startsArray reports whether the first byte that is not white space begins an array.
func (l *lineReader) startsArray() (bool, error) {
	buf := make([]byte, 4<<10)
	for {
		n, err := l.r.Read(buf)
		l.buffered = append(l.buffered, buf[:n]...)
		if text := strings.TrimLeft(string(l.buffered), " \t\r\n\ufeff"); text != "" {
			l.buffered = []byte(strings.TrimPrefix(string(l.buffered), "\ufeff"))
			return text[0] == '[', nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, err
		case len(l.buffered) > maxMessageJSON:
			return false, errTooLong
		}
	}
}

func (l *lineReader) Read(b []byte) (n int, err error) {
	if l.remaining <= 0 {
		return 0, errTooLong
	}
	if len(l.buffered) > 0 {
		n = copy(b, l.buffered)
		l.buffered = l.buffered[n:]
	} else {
		n, err = l.r.Read(b)
	}
	for i, c := range b[:n] {
		if c == '\n' {
			l.breaks = append(l.breaks, l.read+int64(i))
		}
	}
	l.read += int64(n)
	l.remaining -= n
	return n, err
}

// discardBefore forgets the lines before an offset; the next message may be of the full length
// again.
func (l *lineReader) discardBefore(offset int64) {
	n := sort.Search(len(l.breaks), func(i int) bool { return l.breaks[i] >= offset })
	l.discarded += n
	l.breaks = append(l.breaks[:0], l.breaks[n:]...)
	l.remaining = maxMessageJSON
}

// line is the number of the line at an offset.
func (l *lineReader) line(offset int64) int {
	return 1 + l.discarded + sort.Search(len(l.breaks), func(i int) bool { return l.breaks[i] >= offset })
}

// protoPlace matches the place of a fault within the message in errors of protojson.
var protoPlace = regexp.MustCompile(`^(?:syntax error )?\(line (\d+):\d+\): `)

// withLine adds the line within the file to an error at an offset.
func (l *lineReader) withLine(err error, offset int64) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, errTooLong):
		return fmt.Errorf("line %d: %w", l.line(offset), err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("line %d: not valid JSON: it ends in the middle", l.line(l.read))
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: not valid JSON: %w", l.line(syntax.Offset), syntax)
	}
	text, line := protoError(err), l.line(offset)
	if m := protoPlace.FindStringSubmatch(text); m != nil {
		within, _ := strconv.Atoi(m[1])
		line += within - 1
		text = text[len(m[0]):]
	}
	return fmt.Errorf("line %d: %s", line, text)
}

// protoError is the text of an error of protojson or encoding/json without the name of the package.
func protoError(err error) string {
	// protojson varies its spaces, so that nobody relies on its texts.
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimPrefix(strings.TrimPrefix(text, "proto: "), "json: ")
}
