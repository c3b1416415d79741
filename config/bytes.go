package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes. In YAML it is a whole number, or a number with a unit: B, the powers of
// 1000 kB, MB, GB and TB, or the powers of 1024 KiB, MiB, GiB and TiB. Case doesn't matter, and a
// space before the unit is allowed.
type Bytes int64

var byteUnits = []struct {
	name string
	size Bytes
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

// ParseBytes parses a size such as "67108864", "64MiB" or "1.5 GB".
func ParseBytes(text string) (Bytes, error) {
	number, unit := strings.TrimSpace(text), Bytes(1)
	for _, u := range byteUnits {
		if len(number) > len(u.name) && strings.EqualFold(number[len(number)-len(u.name):], u.name) {
			number, unit = strings.TrimSpace(number[:len(number)-len(u.name)]), u.size
			break
		}
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		size := Bytes(n) * unit
		if size/unit != Bytes(n) {
			return 0, errors.New("must be a size below 8 EiB")
		}
		return size, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	size := f * float64(unit)
	switch {
	case err != nil || strings.ContainsAny(number, "xXpP_nN"):
		return 0, errors.New("must be a size such as 64MiB, 10MB or a number of bytes")
	case size != math.Trunc(size):
		return 0, errors.New("must be a whole number of bytes")
	case math.Abs(size) >= math.MaxInt64:
		return 0, errors.New("must be a size below 8 EiB")
	}
	return Bytes(size), nil
}

// String returns the size in the largest binary unit that divides it, or as a number of bytes.
// ParseBytes parses it.
func (b Bytes) String() string {
	for _, u := range byteUnits[:4] {
		if b != 0 && b%u.size == 0 {
			return fmt.Sprintf("%d%s", b/u.size, u.name)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText returns String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText calls ParseBytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	size, err := ParseBytes(string(text))
	if err == nil {
		*b = size
	}
	return err
}
