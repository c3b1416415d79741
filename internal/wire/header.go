package wire

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
)

// errHeaders is returned for user headers that can't be decoded.
var errHeaders = errors.New("iggy: malformed user headers")

// Kinds of keys and values of user headers.
const (
	kindRaw     = 1
	kindString  = 2
	kindBool    = 3
	kindInt8    = 4
	kindInt16   = 5
	kindInt32   = 6
	kindInt64   = 7
	kindInt128  = 8
	kindUint8   = 9
	kindUint16  = 10
	kindUint32  = 11
	kindUint64  = 12
	kindUint128 = 13
	kindFloat   = 14
	kindDouble  = 15
)

// AppendHeader appends one user header of kind string, key and value each as kind u8, length u32,
// bytes.
func AppendHeader(dst []byte, key, value string) []byte {
	dst = append(dst, kindString)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(key)))
	dst = append(dst, key...)
	dst = append(dst, kindString)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// HeaderSize is the number of bytes that AppendHeader appends.
func HeaderSize(key, value string) int { return 10 + len(key) + len(value) }

// RangeHeaders calls yield for each user header of b until yield returns false. Keys and values of
// other kinds than string are given in their text form.
func RangeHeaders(b []byte, yield func(key, value string) bool) error {
	for len(b) > 0 {
		key, value, rest, err := NextHeader(b)
		if err != nil {
			return err
		}
		if !yield(key, value) {
			return nil
		}
		b = rest
	}
	return nil
}

// NextHeader returns the first user header of b, as RangeHeaders gives it, and the encoded headers
// after it.
func NextHeader(b []byte) (key, value string, rest []byte, err error) {
	if key, rest, err = headerField(b); err != nil {
		return "", "", nil, err
	}
	if value, rest, err = headerField(rest); err != nil {
		return "", "", nil, err
	}
	return key, value, rest, nil
}

// EncodedHeaders iterates over the keys of the user headers of b, each with the encoded header. It
// ends at a malformed one. Unlike RangeHeaders it allocates nothing.
func EncodedHeaders(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, header []byte) bool) {
		for len(b) > 0 {
			_, key, rest, err := splitField(b)
			if err != nil {
				return
			}
			if _, _, rest, err = splitField(rest); err != nil || !yield(key, b[:len(b)-len(rest)]) {
				return
			}
			b = rest
		}
	}
}

// HasHeader reports whether b has a user header with that key, in any case of letters. It does not look
// behind a malformed one, and is faster than RangeHeaders.
func HasHeader(b []byte, key string) bool {
	for len(b) > 0 {
		_, field, rest, err := splitField(b)
		if err != nil {
			return false
		}
		if len(field) == len(key) && strings.EqualFold(string(field), key) {
			return true
		}
		if _, _, b, err = splitField(rest); err != nil {
			return false
		}
	}
	return false
}

// FindHeader returns the value of the first user header of b with that key, in any case of letters,
// and whether there is one. A malformed header before it is an error. Without keys and values of other
// kinds than string it allocates nothing.
func FindHeader(b []byte, key string) (value []byte, ok bool, err error) {
	for len(b) > 0 {
		var k []byte
		if k, b, err = fieldBytes(b); err != nil {
			return nil, false, err
		}
		if value, b, err = fieldBytes(b); err != nil {
			return nil, false, err
		}
		if strings.EqualFold(string(k), key) {
			return value, true, nil
		}
	}
	return nil, false, nil
}

// fieldBytes is headerField without a copy of strings.
func fieldBytes(b []byte) (text, rest []byte, err error) {
	kind, field, rest, err := splitField(b)
	if err != nil || kind == kindRaw || kind == kindString {
		return field, rest, err
	}
	of, err := fieldText(kind, field)
	return []byte(of), rest, err
}

func headerField(b []byte) (text string, rest []byte, err error) {
	kind, field, rest, err := splitField(b)
	if err != nil {
		return "", nil, err
	}
	text, err = fieldText(kind, field)
	return text, rest, err
}

// splitField returns the kind and the bytes of the first key or value of b, and what follows it.
func splitField(b []byte) (kind byte, field, rest []byte, err error) {
	if len(b) < 5 {
		return 0, nil, nil, errHeaders
	}
	n := binary.LittleEndian.Uint32(b[1:])
	if n == 0 || n > 255 || int(n) > len(b)-5 {
		return 0, nil, nil, errHeaders
	}
	return b[0], b[5 : 5+n], b[5+n:], nil
}

// kindSize has the sizes of the fixed kinds, in bytes.
var kindSize = map[byte]int{
	kindBool: 1, kindInt8: 1, kindInt16: 2, kindInt32: 4, kindInt64: 8, kindInt128: 16,
	kindUint8: 1, kindUint16: 2, kindUint32: 4, kindUint64: 8, kindUint128: 16, kindFloat: 4, kindDouble: 8,
}

func fieldText(kind byte, b []byte) (string, error) {
	if kind == kindRaw || kind == kindString {
		return string(b), nil
	}
	if size, ok := kindSize[kind]; !ok || size != len(b) {
		return "", fmt.Errorf("%w: kind %d with %d bytes", errHeaders, kind, len(b))
	}
	switch kind {
	case kindBool:
		return strconv.FormatBool(b[0] != 0), nil
	case kindInt8:
		return strconv.Itoa(int(int8(b[0]))), nil
	case kindInt16:
		return strconv.Itoa(int(int16(binary.LittleEndian.Uint16(b)))), nil
	case kindInt32:
		return strconv.Itoa(int(int32(binary.LittleEndian.Uint32(b)))), nil
	case kindInt64:
		return strconv.FormatInt(int64(binary.LittleEndian.Uint64(b)), 10), nil
	case kindUint8:
		return strconv.Itoa(int(b[0])), nil
	case kindUint16:
		return strconv.Itoa(int(binary.LittleEndian.Uint16(b))), nil
	case kindUint32:
		return strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b)), 10), nil
	case kindUint64:
		return strconv.FormatUint(binary.LittleEndian.Uint64(b), 10), nil
	case kindFloat:
		return strconv.FormatFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 'g', -1, 32), nil
	case kindDouble:
		return strconv.FormatFloat(math.Float64frombits(binary.LittleEndian.Uint64(b)), 'g', -1, 64), nil
	default: // 128-bit integers, most significant byte first
		reversed := make([]byte, len(b))
		for i, c := range b {
			reversed[len(b)-1-i] = c
		}
		return "0x" + hex.EncodeToString(reversed), nil
	}
}
