package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestParseBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Bytes{
		"0": 0, "1": 1, "-5": -5, "64MiB": 64 << 20, "10MB": 10_000_000, "1.5GiB": 3 << 29, "1.5 kB": 1500, "7 b": 7,
		"2kib": 2048, "3TB": 3e12, " 4 KiB ": 4096, "8388607TiB": 8388607 << 40, "1e3": 1000,
	} {
		got, err := config.ParseBytes(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"": "must be a size", "MiB": "must be a size", "1 Mib b": "must be a size", "five": "must be a size", "0x10": "must be a size",
		"NaN": "must be a size", "Inf": "must be a size", "1_000": "must be a size", "1PB": "must be a size",
		"0.5": "must be a whole number of bytes", "9000000TiB": "must be a size below 8 EiB", "1e30": "must be a size below 8 EiB",
	} {
		_, err := config.ParseBytes(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestBytesReadBackWhatTheyWrite(t *testing.T) {
	t.Parallel()
	require.Equal(t, "64MiB", config.Bytes(64<<20).String())
	require.Equal(t, "1000", config.Bytes(1000).String())
	require.Equal(t, "0", config.Bytes(0).String())
	rapid.Check(t, func(t *rapid.T) {
		want := config.Bytes(rapid.Int64().Draw(t, "bytes"))
		text, err := want.MarshalText()
		require.NoError(t, err)
		var got config.Bytes
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, want, got)
	})
}
