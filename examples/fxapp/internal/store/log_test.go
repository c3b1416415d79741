package store_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

func TestLongLogEntries(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	r := s.OpenLog("job-1")
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	for i, size := range []int{100, 70_000, 10, 500_000, 65_000} {
		content, err := json.Marshal(strings.Repeat("x", size))
		require.NoError(t, err)
		require.NoError(t, s.AppendLog("job-1", store.LogEntry{Offset: uint64(i), Entry: content}))
	}
	var sizes []int
	for {
		logs, err := r.Next()
		require.NoError(t, err)
		if len(logs) == 0 {
			break
		}
		for _, log := range logs {
			sizes = append(sizes, len(log.Entry)-2)
		}
	}
	require.Equal(t, []int{100, 70_000, 10, 500_000, 65_000}, sizes)
}

func TestLogReaderReturnsEachEntryOnceInOrder(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	r := s.OpenLog("job-1")
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	next := func() (offsets []uint64) {
		logs, err := r.Next()
		require.NoError(t, err)
		for _, log := range logs {
			offsets = append(offsets, log.Offset)
		}
		return offsets
	}
	add := func(partition uint32, offset uint64) {
		require.NoError(t, s.AppendLog("job-1", store.LogEntry{Partition: partition, Offset: offset, Entry: json.RawMessage(`{}`)}))
	}
	require.Empty(t, next(), "no log yet")
	add(2, 0)
	add(2, 5)
	add(2, 5)
	require.Equal(t, []uint64{0, 5}, next())
	require.Empty(t, next())
	add(2, 0)
	add(2, 6)
	add(1, 3) // the topic got more partitions
	require.Equal(t, []uint64{6, 3}, next())

	f, err := os.OpenFile(filepath.Join(dir, "logs", "job-1.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("\n{\"partition\":2,\"off") // a crash in the middle of a line
	require.NoError(t, err)
	require.NoError(t, f.Close())
	add(2, 7)
	require.Equal(t, []uint64{7}, next())
}

// After a purge of the topic its offsets begin at 0 again. The log goes on.
func TestLogGoesOnAfterPurge(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	for _, e := range []struct{ offset, stored int64 }{
		{4, 10},
		{5, 10},
		{6, 11},
		{5, 10},
		{6, 11}, // delivered twice
		{0, 20},
		{1, 21},
		{0, 20},
		{1, 21},
		{2, 22},
		{0, 30},
		{9, 31},
	} {
		require.NoError(t, s.AppendLog("job-1", store.LogEntry{
			Offset: uint64(e.offset), Stored: e.stored, Entry: json.RawMessage(fmt.Sprint(e.stored*100 + e.offset)),
		}))
	}
	r := s.OpenLog("job-1")
	defer func() { require.NoError(t, r.Close()) }()
	logs, err := r.Next()
	require.NoError(t, err)
	var entries []string
	for i, log := range logs {
		entries = append(entries, string(log.Entry))
		if i > 0 {
			require.Greater(t, log.Offset, logs[i-1].Offset, "a position for Last-Event-ID")
		}
	}
	require.Equal(t, []string{"1004", "1005", "1106", "2000", "2101", "2202", "3000", "3109"}, entries)
}
