package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decodeError describes an error of the decoder in terms of the manifest: with the line and the path
// of the value.
func decodeError(body []byte, err error) error {
	var syntax *jsontext.SyntacticError
	var semantic *jsonv2.SemanticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the manifest is incomplete")
	case errors.As(err, &syntax):
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return fault(body, syntax.ByteOffset, pathOf(syntax.JSONPointer), "duplicate key")
		}
		return fault(body, syntax.ByteOffset, pathOf(syntax.JSONPointer),
			"not valid JSON: "+syntax.Err.Error())
	case errors.Is(err, io.EOF):
		return errors.New("the manifest is empty")
	case errors.As(err, &semantic):
		path := pathOf(semantic.JSONPointer)
		switch {
		case errors.Is(err, jsonv2.ErrUnknownName):
			return fault(body, semantic.ByteOffset, path, "unknown key")
		case errors.Is(err, jsontext.ErrDuplicateName):
			return fault(body, semantic.ByteOffset, path, "duplicate key")
		case path == "":
			return fmt.Errorf("the manifest must be a JSON object, not %s", kindOf(semantic.JSONKind))
		}
		return fault(body, semantic.ByteOffset, path, "must not be "+kindOf(semantic.JSONKind))
	}
	return fmt.Errorf("the manifest is not valid: %w", err)
}

// fault is an error with the line of an offset in the body and a path, which may be empty.
func fault(body []byte, offset int64, path, text string) error {
	if path != "" {
		text = path + ": " + text
	}
	return fmt.Errorf("line %d: %s", lineOf(body, offset), text)
}

// lineOf returns the line of the first value at or after an offset.
func lineOf(body []byte, offset int64) int {
	offset = min(offset, int64(len(body)))
	rest := bytes.TrimLeft(body[offset:], " \t\r\n,:")
	return 1 + bytes.Count(body[:len(body)-len(rest)], []byte{'\n'})
}

// pathOf returns a pointer as a path, such as resources[2].url. Long parts are truncated.
func pathOf(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		switch {
		case b.Len() == 0:
			b.WriteString(quoted(token))
		case isIndex(token):
			b.WriteString("[" + token + "]")
		default:
			b.WriteString("." + quoted(token))
		}
		if b.Len() > 4*maxQuoted {
			return b.String() + "…"
		}
	}
	return b.String()
}

// maxQuoted bounds a text of the manifest in an error, in bytes.
const maxQuoted = 100

// quoted returns a text of the manifest for an error: truncated, and quoted unless it is a plain
// word.
func quoted(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(strings.ToValidUTF8(s[:maxQuoted], "")) + "…"
	}
	if q := strconv.Quote(s); s == "" || q[1:len(q)-1] != s {
		return q
	}
	return s
}

func isIndex(token string) bool {
	_, err := strconv.ParseUint(token, 10, 32)
	return err == nil
}

// kindOf names a kind of JSON value, with its article.
func kindOf(k jsontext.Kind) string {
	switch k {
	case '[', ']':
		return "a JSON array"
	case '{', '}':
		return "a JSON object"
	case '"':
		return "a JSON string"
	case '0':
		return "a JSON number"
	case 't', 'f':
		return "a JSON boolean"
	}
	return "null"
}
