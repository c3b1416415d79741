package wire_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

type pair struct{ key, value string }

func headersOf(b []byte) (got []pair, err error) {
	err = wire.RangeHeaders(b, func(key, value string) bool {
		got = append(got, pair{key, value})
		return true
	})
	return got, err
}

func TestHeadersRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b []byte
		var want []pair
		for range rapid.IntRange(0, 10).Draw(t, "headers") {
			p := pair{rapid.StringN(1, 60, 255).Draw(t, "key"), rapid.StringN(1, 60, 255).Draw(t, "value")}
			before := len(b)
			b = wire.AppendHeader(b, p.key, p.value)
			require.Equal(t, wire.HeaderSize(p.key, p.value), len(b)-before)
			want = append(want, p)
		}
		got, err := headersOf(b)
		require.NoError(t, err)
		require.Equal(t, want, got)
		var keys []pair
		var again []byte
		for key, header := range wire.EncodedHeaders(b) {
			keys, again = append(keys, pair{key: string(key)}), append(again, header...)
		}
		require.Equal(t, b, again)
		for i := range keys {
			require.Equal(t, want[i].key, keys[i].key)
		}
		if len(b) > 0 {
			_, err = headersOf(b[:len(b)-1])
			require.ErrorIs(t, err, wire.ErrHeaders)
		}
	})
}

// Other clients write other kinds, which are returned as text.
func TestHeaderKinds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		kind byte
		raw  []byte
		want string
	}{
		{"raw", 1, []byte{0xff, 0}, "\xff\x00"},
		{"string", 2, []byte("text"), "text"},
		{"true", 3, []byte{1}, "true"},
		{"false", 3, []byte{0}, "false"},
		{"int8", 4, []byte{0xff}, "-1"},
		{"int16", 5, []byte{0xfe, 0xff}, "-2"},
		{"int32", 6, []byte{0xfd, 0xff, 0xff, 0xff}, "-3"},
		{"int64", 7, []byte{0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "-4"},
		{"int128", 8, []byte{1, 15: 2}, "0x02000000000000000000000000000001"},
		{"uint8", 9, []byte{200}, "200"},
		{"uint16", 10, []byte{0, 1}, "256"},
		{"uint32", 11, []byte{0, 0, 0, 0x80}, "2147483648"},
		{"uint64", 12, []byte{7: 0x80}, "9223372036854775808"},
		{"uint128", 13, []byte{15: 1}, "0x01000000000000000000000000000000"},
		{"float", 14, []byte{0, 0, 0xc0, 0x3f}, "1.5"},
		{"double", 15, []byte{7: 0x40, 6: 0x04}, "2.5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			field := append(binary.LittleEndian.AppendUint32([]byte{tt.kind}, uint32(len(tt.raw))), tt.raw...)
			got, err := headersOf(append(field, field...))
			require.NoError(t, err)
			require.Equal(t, []pair{{tt.want, tt.want}}, got)
		})
	}
}

func TestMalformedHeaders(t *testing.T) {
	t.Parallel()
	good := wire.AppendHeader(nil, "k", "v")
	for name, b := range map[string][]byte{
		"no length":    {2, 1, 0},
		"empty key":    {2, 0, 0, 0, 0},
		"long key":     append([]byte{2, 0, 1, 0, 0}, strings.Repeat("k", 256)...),
		"no value":     good[:6],
		"unknown kind": {16, 1, 0, 0, 0, 1},
		"wrong size":   {3, 2, 0, 0, 0, 1, 1},
		"huge":         {2, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		got, err := headersOf(append(slices.Clip(good), b...))
		require.ErrorIs(t, err, wire.ErrHeaders, name)
		require.Equal(t, []pair{{"k", "v"}}, got, "%s: what stands before it is given", name)
		var encoded [][]byte
		for _, header := range wire.EncodedHeaders(append(slices.Clip(good), b...)) {
			encoded = append(encoded, header)
		}
		require.Equal(t, [][]byte{good}, encoded, name)
	}
}

func TestHasHeader(t *testing.T) {
	t.Parallel()
	b := wire.AppendHeader(wire.AppendHeader(nil, "tenant", "trace-id"), "Trace-ID", "7")
	require.True(t, wire.HasHeader(b, "tenant"))
	require.True(t, wire.HasHeader(b, "trace-id"))
	require.False(t, wire.HasHeader(b, "trace"))
	require.False(t, wire.HasHeader(wire.AppendHeader(nil, "k", "tenant"), "tenant"), "it is a value")
	require.False(t, wire.HasHeader(append([]byte{2, 1}, b...), "tenant"), "it is behind a malformed one")
	require.False(t, wire.HasHeader(nil, "tenant"))
}

func TestRangeHeadersStops(t *testing.T) {
	t.Parallel()
	b := append(wire.AppendHeader(nil, "k", "v"), 2, 1)
	n := 0
	require.NoError(t, wire.RangeHeaders(b, func(_, _ string) bool { n++; return false }))
	require.Equal(t, 1, n)
}

// FuzzRangeHeaders reads anything without a panic, and never more than is there.
func FuzzRangeHeaders(f *testing.F) {
	f.Add(wire.AppendHeader(wire.AppendHeader(nil, "content-type", "text/plain"), "a", "b"))
	f.Add([]byte{14, 4, 0, 0, 0, 0, 0, 0xc0, 0x3f, 3, 1, 0, 0, 0, 1})
	f.Add([]byte{2, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := headersOf(b)
		require.LessOrEqual(t, 12*len(got), len(b), "a header takes at least 12 bytes")
		if err != nil {
			require.ErrorIs(t, err, wire.ErrHeaders)
		}
	})
}

// Not parallel: it counts allocations.
func TestFindHeaderIsTheFirstOfRangeHeaders(t *testing.T) {
	b := wire.AppendHeader(wire.AppendHeader(wire.AppendHeader(nil, "Tenant", "a"), "k", "tenant"), "tenant", "b")
	number := append([]byte{2, 1, 0, 0, 0, 'n', 11, 4, 0, 0, 0, 7, 0, 0, 0}, b...)
	wrong := append([]byte{2, 1, 0, 0, 0, 'n', 11, 1, 0, 0, 0, 7}, b...)
	for _, encoded := range [][]byte{nil, b, number, wrong, b[:len(b)-1], b[:20], {2, 1}} {
		for _, key := range []string{"tenant", "k", "n", "none"} {
			want, found := "", false
			err := wire.RangeHeaders(encoded, func(k, v string) bool {
				if strings.EqualFold(k, key) {
					want, found = v, true
				}
				return !found
			})
			value, ok, got := wire.FindHeader(encoded, key)
			require.Equal(t, err, got)
			require.Equal(t, found, ok)
			if found {
				require.Equal(t, want, string(value))
			}
		}
	}
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _, _ = wire.FindHeader(b, "k") }))
}
