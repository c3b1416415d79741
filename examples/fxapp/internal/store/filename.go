package store

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// maxFileName bounds a file name, in bytes. File systems allow 255.
const maxFileName = 200

// reserved are the names of devices on Windows, also with an extension.
var reserved = []string{
	"con", "prn", "aux", "nul",
	"com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
}

// FileName returns the file name of an id that comes from outside. Different ids have different
// names, also on a file system that ignores the case of letters. Lower case letters, digits, "-",
// "_" and inner dots stay as they are. Every other byte, including upper case letters, "/" and a
// dot at an end, is written as %XX, so that no id leads out of its directory or names a hidden file.
// So is the first letter of a name that Windows reserves for a device. A name that gets too long is
// replaced by its start and the SHA-256 of the id.
func FileName(id string) string {
	const hexDigits = "0123456789ABCDEF"
	stem, _, _ := strings.Cut(id, ".")
	isReserved := slices.Contains(reserved, stem)
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		if isPlain(c) && (i > 0 || !isReserved) || c == '.' && i > 0 && i < len(id)-1 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
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

// isFileName reports whether a file may be one of the store's: others have put files with other
// names there.
func isFileName(name string) bool {
	return name != "" && name[0] != '.' && len(name) <= maxFileName &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return !(r < 0x80 && isPlain(byte(r))) && !strings.ContainsRune(".%~ABCDEF", r)
		})
}

func isPlain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
