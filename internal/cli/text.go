package cli

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// printable escapes the control characters in a text from a message, and bytes that are no UTF-8, so
// that it can't move the cursor or change colours.
func printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
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

// jsonLine is a message as protobuf JSON on one line, with a line break.
func jsonLine(m proto.Message) ([]byte, error) {
	line, err := protoJSON(m, nil)
	return append(line, '\n'), err
}

// protoJSON is a message as protobuf JSON on one line, always the same for the same message. Without
// types, those of the program are known.
func protoJSON(m proto.Message, types *messageTypes) ([]byte, error) {
	var o protojson.MarshalOptions
	if types != nil {
		o.Resolver = types
	}
	text, err := o.Marshal(m)
	if err != nil {
		return nil, err
	}
	return compactJSON(text)
}

// shortTime is a time in the local time zone.
func shortTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// sizeText is a size in bytes in the unit that suits it: 1.5 MiB.
func sizeText(size uint64) string {
	const units = "KMGTPE"
	if size < 1<<10 {
		return fmt.Sprintf("%d B", size)
	}
	value, unit := float64(size)/(1<<10), 0
	for ; value >= 1023.95; unit++ {
		value /= 1 << 10
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}

// truncate cuts a text to n characters.
func truncate(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}

// plural is a number of things in words.
func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"):
		return fmt.Sprintf("%d %ses", n, what)
	case strings.HasSuffix(what, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(what, "y"))
	default:
		return fmt.Sprintf("%d %ss", n, what)
	}
}

// ifAny is the text with the words behind it, and empty without words.
func ifAny(text string, words []string) string {
	if len(words) == 0 {
		return ""
	}
	return text + strings.Join(words, ", ")
}

// joinWithOr lists words: "a, b or c".
func joinWithOr(words []string) string {
	text := ""
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			text += " or "
		default:
			text += ", "
		}
		text += w
	}
	return text
}
