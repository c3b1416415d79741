package manifest

// maxDepth is how deep the objects and arrays of a manifest may be nested. What is read back is
// nested deeper, and decoders have a limit: 10,000 for encoding/json.
const maxDepth = 100

// isTooDeep reports whether the objects and arrays of a JSON text are nested deeper than maxDepth.
func isTooDeep(body []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++ // the escaped character
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
