package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestComparisonNamesRatiosThatDiffer(t *testing.T) {
	t.Parallel()
	write := func(name string, ratio float64) string {
		r := testReport()
		r.results[0].runs = []cells{{rate: 1_000_000 * ratio, vsFrames: 0.8 * ratio, vsSDK: 2}}
		var out bytes.Buffer
		require.NoError(t, r.writeJSON(&out))
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
		return path
	}
	before := write("before.json", 1)
	compare := func(after string) string {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"-compare", before, after}, nil, &out))
		return out.String()
	}
	agrees := compare(write("agrees.json", 1.19))
	require.Contains(t, agrees, "2 of 2 ratios agree within 20 %.")
	require.NotContains(t, agrees, "|")

	differs := compare(write("differs.json", 0.75))
	require.Contains(t, differs, "1 of 2 ratios agree within 20 %.")
	require.Contains(t, differs, "| defaults/send/`SendAsync` by key | rate to frames | 0.80 | 0.60 | -25 % |")
	require.NotContains(t, differs, "messages/s", "only ratios are compared")
}

func TestComparisonNeedsTwoFiles(t *testing.T) {
	t.Parallel()
	_, err := parse([]string{"-compare", "one.json"})
	require.EqualError(t, err, "-compare takes two files that -json has written")
	require.Error(t, compareFiles(nil, "missing.json", "missing.json"))
}

func TestRatioColumns(t *testing.T) {
	t.Parallel()
	for _, c := range []column{vsSDK, cpuVsSDK, vsCodec, heapVsLimit} {
		require.True(t, c.isRatio(), c)
	}
	for _, c := range []column{rate, sdkRate, p50, heapPeak, core} {
		require.False(t, c.isRatio(), c)
	}
}
