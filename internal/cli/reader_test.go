package cli_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// TestReaderMergesUnequalPartitions requires the order of time also when one partition has many
// more messages than are held until the others have theirs.
func TestReaderMergesUnequalPartitions(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	conn := connectNative(t, s.Server)
	n := 0
	for range 3 {
		for _, part := range []struct{ partition, count uint32 }{{0, 3000}, {3, 1}} {
			var batch wire.Batch
			payload, err := proto.Marshal(&jobspb.JobLog{JobId: "j", ResourceId: fmt.Sprint(part.partition)})
			require.NoError(t, err)
			for range part.count {
				n++
				batch.Append([16]byte{1, byte(n), byte(n >> 8)}, 1, payload, nil)
			}
			require.NoError(t, conn.Send(t.Context(), "fetchbox", "jobs.logs", part.partition, &batch))
		}
	}
	lines := jsonLines[logLine](t, s.run("tail-logs").ok(t))
	require.Len(t, lines, n)
	var order []string // of the partitions, one for each batch
	for i, l := range lines {
		if i == 0 || l.ResourceID != lines[i-1].ResourceID {
			order = append(order, l.ResourceID)
		}
	}
	require.Equal(t, []string{"0", "3", "0", "3", "0", "3"}, order)
}

// TestReaderReportsUndecompressableMessages requires that a message that can't be decompressed is
// reported wherever it stands, and ends nothing.
func TestReaderReportsUndecompressableMessages(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	conn := connectNative(t, s.Server)
	good, err := proto.Marshal(&jobspb.JobLog{JobId: "j"})
	require.NoError(t, err)
	broken := wire.AppendHeader(nil, topic.HeaderContentEncoding, "zstd")
	for partition, kinds := range map[uint32]string{0: "b", 1: "bg", 2: "gb", 3: "bbgbb"} {
		var batch wire.Batch
		for i, kind := range kinds {
			headers := []byte(nil)
			if kind == 'b' {
				headers = broken
			}
			batch.Append([16]byte{byte(partition + 1), byte(i)}, 1, good, headers)
		}
		require.NoError(t, conn.Send(t.Context(), "fetchbox", "jobs.logs", partition, &batch))
	}
	r := s.run("tail-logs")
	require.Len(t, jsonLines[logLine](t, r.ok(t)), 3)
	for _, position := range []string{"0/0", "1/0", "2/1", "3/0", "3/1", "3/3", "3/4"} {
		require.Contains(t, r.err, "fetchbox/jobs.logs/"+position+": can't be decoded: ")
	}
}

// TestReaderFailsWhenServerStalls requires an error in time when the server answers no poll.
func TestReaderFailsWhenServerStalls(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.log("j", "one")
	s.Inject(iggytest.Silence().On(embedded.PollMessages))
	hasty := writeFile(t, "iggy:\n  start_timeout: 300ms\n  request_timeout: 300ms\n")
	r := s.run("tail-logs", "--config", hasty)
	require.Equal(t, 1, r.code)
	require.NotEmpty(t, r.err)
}

// TestReaderEndsWhenMessagesAreDeleted requires that a reader does not wait for messages that are
// deleted while it reads.
func TestReaderEndsWhenMessagesAreDeleted(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.log("j", "one")
	cfg := jobs.DefaultCluster()
	cfg.Iggy.Endpoint = s.Embedded().Endpoint()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	a, err := admin.New(cfg.Iggy)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	deleted := s.Inject(iggytest.Do(func(iggytest.Request) {
		if err := a.DeleteTopic(t.Context(), "fetchbox", "jobs.logs"); err != nil {
			t.Error(err)
		}
		if _, err := a.Provision(t.Context(), jobs.Spec(cfg)); err != nil {
			t.Error(err)
		}
	}).On(embedded.PollMessages).Times(1))
	require.Empty(t, s.run("tail-logs").ok(t))
	require.Equal(t, 1, deleted.Count())
}
