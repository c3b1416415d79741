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

// maxValue bounds one message as JSON, in bytes: the largest message in base64
// and then some. It keeps a wrong file from filling the memory.
const maxValue = 16 << 20

// readMessages reads protobuf messages as JSON: one, an array of them, or one
// after the other, as in JSON lines. An error names the line, and ends it.
func readMessages[T proto.Message](r io.Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		lines := &lineReader{r: r, left: maxValue}
		decoder := json.NewDecoder(lines)
		var none T
		fail := func(err error) { yield(none, lines.explain(err, decoder.InputOffset())) }

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
			message := none.ProtoReflect().New().Interface().(T)
			if err := protojson.Unmarshal(raw, message); err != nil {
				yield(none, lines.explain(err, end-int64(len(raw))))
				return
			}
			lines.passed(end)
			if !yield(message, nil) {
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

// lineReader remembers where lines end, as far as it is still needed, and
// refuses values without end.
type lineReader struct {
	r       io.Reader
	first   []byte // read by startsArray and not yet by the decoder
	read    int64
	left    int
	breaks  []int64 // offsets of the line breaks behind what has passed
	counted int     // breaks before these
}

var errTooLong = fmt.Errorf("a message is longer than %s", config.Bytes(maxValue))

// startsArray looks at the first byte that is not white space.
func (l *lineReader) startsArray() (bool, error) {
	buf := make([]byte, 4<<10)
	for {
		n, err := l.r.Read(buf)
		l.first = append(l.first, buf[:n]...)
		if text := strings.TrimLeft(string(l.first), " \t\r\n\ufeff"); text != "" {
			l.first = []byte(strings.TrimPrefix(string(l.first), "\ufeff"))
			return text[0] == '[', nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, err
		case len(l.first) > maxValue:
			return false, errTooLong
		}
	}
}

func (l *lineReader) Read(b []byte) (n int, err error) {
	if l.left <= 0 {
		return 0, errTooLong
	}
	if len(l.first) > 0 {
		n = copy(b, l.first)
		l.first = l.first[n:]
	} else {
		n, err = l.r.Read(b)
	}
	for i, c := range b[:n] {
		if c == '\n' {
			l.breaks = append(l.breaks, l.read+int64(i))
		}
	}
	l.read += int64(n)
	l.left -= n
	return n, err
}

// passed notes that all before this offset has been dealt with.
func (l *lineReader) passed(offset int64) {
	n := sort.Search(len(l.breaks), func(i int) bool { return l.breaks[i] >= offset })
	l.counted += n
	l.breaks = append(l.breaks[:0], l.breaks[n:]...)
	l.left = maxValue
}

func (l *lineReader) line(offset int64) int {
	return 1 + l.counted + sort.Search(len(l.breaks), func(i int) bool { return l.breaks[i] >= offset })
}

// protoPlace is where protojson says that a fault is, within the message.
var protoPlace = regexp.MustCompile(`^(?:syntax error )?\(line (\d+):\d+\): `)

// explain adds the line, in the file's own count.
func (l *lineReader) explain(err error, offset int64) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, errTooLong):
		return fmt.Errorf("line %d: %w", l.line(offset), err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("line %d: not valid JSON: it ends in the middle", l.line(l.read))
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: not valid JSON: %w", l.line(syntax.Offset), syntax)
	}
	// protojson varies its spaces, so that nobody relies on them.
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	text = strings.TrimPrefix(text, "proto: ")
	line := l.line(offset)
	if m := protoPlace.FindStringSubmatch(text); m != nil {
		within, _ := strconv.Atoi(m[1])
		line += within - 1
		text = text[len(m[0]):]
	}
	return fmt.Errorf("line %d: %s", line, text)
}
