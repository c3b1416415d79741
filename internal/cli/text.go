package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// printable makes a text from a message safe for a terminal: what would move the
// cursor or change colours is shown, not done.
func printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteByte(' ')
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// jsonLine is a message in protobuf's JSON mapping, on one line and always the
// same for the same message.
func jsonLine(m proto.Message) ([]byte, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// shortTime is a time for people, in their zone.
func shortTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func fromMillis(ms uint64, otherwise time.Time) time.Time {
	if ms == 0 {
		return otherwise
	}
	return time.UnixMilli(int64(ms))
}
