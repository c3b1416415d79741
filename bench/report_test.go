package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ want, got string }{
		{"1,560,000", formatCount(1_562_345)},
		{"1,000", formatCount(999.7)},
		{"414", formatCount(414.4)},
		{"0", formatCount(0)},
		{"0.009", formatRatio(0.0094)},
		{"0.80", formatRatio(0.8)},
		{"1.31", formatRatio(1.309)},
		{"19.0", formatRatio(19)},
		{"123", formatRatio(123.4)},
		{"0.00", formatRatio(0)},
		{"478 ns", formatTime(478.2)},
		{"1.23 µs", formatTime(1232)},
		{"17.2 ms", formatTime(17.2e6)},
		{"1.5 s", formatTime(1.5e9)},
		{"512 B", formatBytes(512)},
		{"64 MiB", formatBytes(64 << 20)},
		{"2.75 GiB", formatBytes(2.75 * (1 << 30))},
		{"0.824 %", formatPercent(0.8236)},
	} {
		require.Equal(t, c.want, c.got)
	}
}

func TestDifferencesNamesChangedKeys(t *testing.T) {
	t.Parallel()
	consumer := config.DefaultConsumer("g")
	require.Equal(t, "defaults", differences(consumer, config.DefaultConsumer("other")))
	consumer.BatchSize = 1000
	consumer.Retry.BaseBackoff = 5 * time.Millisecond
	consumer.MaxBufferedBytes = 4 << 20
	require.Equal(t, "`batch_size` 1000, `max_buffered_bytes` 4MiB, `retry.base_backoff` 5ms", differences(consumer, config.DefaultConsumer("g")))
}

// testReport has two tables, and a row that failed in one of two runs.
func testReport() report {
	at := func(group, table, name string) row {
		return row{group: group, table: table, name: name, settings: "defaults"}
	}
	return report{
		machine: machine{Commit: "abc", Go: "go1 linux/amd64", CPU: "2 × CPU", Server: "Iggy 0.8.0 (at a:1)", Date: "2026-01-02 03:04 UTC", Runs: 2},
		results: []result{
			{at(groupDefaults, tableSend, "`SendAsync` by key"), []cells{{rate: 1_000_000, vsFrames: 0.7, allocs: 0.01, sdkRate: 500_000}, {rate: 900_000, vsFrames: 0.95, allocs: 0.02, sdkRate: 500_000}}},
			{at(groupDefaults, tableSend, "`Send`, 1 caller"), []cells{nil, {rate: 100}}},
			{at(groupTuned, tableMemory, "other"), []cells{{limit: 1 << 20}, {limit: 1 << 20}}},
		},
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, testReport().writeMarkdown(&out))
	require.Equal(t, `Commit abc, go1 linux/amd64, 2 × CPU, server Iggy 0.8.0 (at a:1), 2026-01-02 03:04 UTC. Each cell has the best and the median of 2 runs.

### Defaults: send

|  | settings | messages/s | SDK, messages/s | rate to frames | allocations/message |
| --- | --- | ---: | ---: | ---: | ---: |
| 'SendAsync' by key | defaults | 1,000,000 / 950,000 | 500,000 | 0.95 / 0.82 | 0.010 / 0.015 |
| 'Send', 1 caller | defaults | 100 |  |  |  |

### Tuned: memory

|  | settings | limit |
| --- | --- | ---: |
| other | defaults | 1 MiB |

### Goals

|  | goal | median | lowest to highest | met |
| --- | --- | ---: | ---: | --- |
| 'send_vs_frames' | ≥ 0.80 | 0.82 | 0.70 to 0.95 | yes |
| 'send_allocs' | ≤ 1.00 | 0.015 | 0.010 to 0.020 | yes |
`, strings.ReplaceAll(out.String(), "`", "'"))
}

func TestMarkdownOfOneRunHasOneValue(t *testing.T) {
	t.Parallel()
	r := testReport()
	r.machine.Runs = 1
	for i := range r.results {
		r.results[i].runs = r.results[i].runs[:1]
	}
	var out bytes.Buffer
	require.NoError(t, r.writeMarkdown(&out))
	require.NotContains(t, out.String(), " / ")
	require.NotContains(t, out.String(), "Each cell has")
	require.Contains(t, out.String(), "| `send_vs_frames` | ≥ 0.80 | 0.70 |  | **no** |")
}

func TestJSONHasEachRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, testReport().writeJSON(&out))
	var got struct {
		Machine struct{ Commit string }
		Rows    []struct {
			ID   string
			Runs []map[string]float64
		}
		Goals []struct {
			Name  string
			Value float64
			Met   bool
		}
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.Equal(t, "abc", got.Machine.Commit)
	require.Equal(t, "defaults/send/`SendAsync` by key", got.Rows[0].ID)
	require.Equal(t, 0.95, got.Rows[0].Runs[1]["to_frames"])
	require.Equal(t, "send_vs_frames", got.Goals[0].Name)
	require.InDelta(t, 0.825, got.Goals[0].Value, 1e-9)
	require.True(t, got.Goals[0].Met)
}

func TestGoalsAreMetAtBound(t *testing.T) {
	t.Parallel()
	least, most := goal{sign: "≥", bound: 1.5}, goal{sign: "≤", bound: 1.5}
	require.True(t, least.met(1.5))
	require.True(t, most.met(1.5))
	require.False(t, least.met(1.4))
	require.False(t, most.met(1.6))
}

// Each goal is about a row that exists, and rows have names of their own.
func TestGoalsNameRows(t *testing.T) {
	t.Parallel()
	rows, names := map[string]bool{}, map[string]bool{}
	for _, r := range allRows() {
		require.False(t, rows[r.id()], r.id())
		rows[r.id()] = true
		require.NotEmpty(t, r.settings)
	}
	for _, g := range goals() {
		require.True(t, rows[g.row], g.row)
		require.False(t, names[g.name], g.name)
		names[g.name] = true
	}
}

// In the group defaults, nothing is set.
func TestDefaultsHaveNoSettings(t *testing.T) {
	t.Parallel()
	for _, r := range allRows() {
		if r.group == groupDefaults {
			require.Equal(t, "defaults", r.settings, r.name)
		}
	}
	tuned := selectRows(allRows(), groupTuned, nil)
	require.NotEmpty(t, tuned)
	for _, r := range tuned {
		require.NotEqual(t, "defaults", r.settings, r.name)
	}
}

func TestSelectRows(t *testing.T) {
	t.Parallel()
	all := allRows()
	require.Len(t, selectRows(all, "", nil), len(all))
	rows := selectRows(all, groupGrowth, regexp.MustCompile("^growth/send/.*partitions$"))
	require.Len(t, rows, 2)
	require.Equal(t, "64 partitions", rows[0].name)
	_, err := parse([]string{"-group", "other"})
	require.EqualError(t, err, "no such row; -list prints them")
	_, err = parse([]string{"-only", "("})
	require.ErrorContains(t, err, "-only: ")
}
