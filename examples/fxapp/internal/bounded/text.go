// Package bounded bounds text that others have written, before it is logged, stored or published.
package bounded

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text returns s as valid UTF-8 of at most limit bytes. What is cut off is replaced by the size of
// s: "… (9000000 bytes)". limit must have room for that.
func Text(s string, limit int) string {
	if len(s) <= limit && utf8.ValidString(s) {
		return s
	}
	size := len(s)
	s = strings.ToValidUTF8(s[:min(size, limit+utf8.UTFMax)], string(utf8.RuneError))
	if size <= limit && len(s) <= limit {
		return s
	}
	cut := fmt.Sprintf("… (%d bytes)", size)
	end := min(limit-len(cut), len(s))
	for end > 0 && end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:max(end, 0)] + cut
}
