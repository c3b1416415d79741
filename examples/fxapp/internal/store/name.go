package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxName bounds the names of files; file systems allow 255 bytes.
const maxName = 200

// Name is the file name of an id that comes from outside. Different ids have
// different names; letters, digits, "-", "_" and inner dots stay as they are.
// Everything else, "/" and a dot at the start among them, is written as %XX, so that no
// id leads out of its directory or hides in it. What gets too long is
// replaced by its start and its SHA-256.
func Name(id string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	name := b.String()
	if name == "" {
		return "%"
	}
	if len(name) > maxName {
		sum := sha256.Sum256([]byte(id))
		return name[:100] + "~" + hex.EncodeToString(sum[:])
	}
	return name
}
