package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxFileName bounds a file name, in bytes. File systems allow 255.
const maxFileName = 200

// FileName returns the file name of an id that comes from outside. Different ids have different
// names. Letters, digits, "-", "_" and inner dots stay as they are. Every other byte, including "/"
// and a leading dot, is written as %XX, so that no id leads out of its directory or names a hidden
// file. A name that gets too long is replaced by its start and the SHA-256 of the id.
func FileName(id string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '_', c == '.' && i > 0:
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
	if len(name) > maxFileName {
		sum := sha256.Sum256([]byte(id))
		return name[:100] + "~" + hex.EncodeToString(sum[:])
	}
	return name
}
