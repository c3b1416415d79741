package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestParseRetention(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "0": 0, "0d": 0, "0s": 0, "-1": -1, " 5s ": 5 * time.Second,
		"106751d": 106751 * 24 * time.Hour,
	} {
		got, err := config.ParseRetention(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got.Duration(), text)
	}
	for _, text := range []string{"", "d", "7", "-7d", "-1h", "1d-1h", "1d+1h", "1.5d", "106752d", "106751d24h", "7 days", "1d1d", "99999999999d", "-2"} {
		_, err := config.ParseRetention(text)
		require.ErrorContains(t, err, "must be a duration such as 7d", text)
	}
}

func TestRetentionReadsBackWhatItWrites(t *testing.T) {
	t.Parallel()
	require.Equal(t, "14d", config.Retention(14*24*time.Hour).String())
	require.Equal(t, "1h", config.Retention(time.Hour).String())
	require.Equal(t, "1h30m", config.Retention(90*time.Minute).String())
	require.Equal(t, "10m", config.Retention(10*time.Minute).String())
	rapid.Check(t, func(t *rapid.T) {
		want := config.Retention(rapid.Int64Min(-1).Draw(t, "retention"))
		text, err := want.MarshalText()
		require.NoError(t, err)
		var got config.Retention
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, want, got)
	})
}
