package embedded

import "encoding/binary"

// appendName writes `[u8 length][name]`.
func appendName(b []byte, name string) []byte {
	b = append(b, byte(len(name)))
	return append(b, name...)
}

// appendText writes `[u32 length][text]`.
func appendText(b []byte, text string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	return append(b, text...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendFlags(b []byte, flags ...bool) []byte {
	for _, f := range flags {
		b = appendBool(b, f)
	}
	return b
}
