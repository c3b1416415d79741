package ledger_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/consumer/consumertest"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/ledger"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

var stored = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func start(t *testing.T) (*ledger.Ledger, *store.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return ledger.New(s, noop.NewTracerProvider()), s, dir
}

func message[T any](v T) *consumer.Message[T] {
	return consumertest.NewMessage(v, consumertest.WithOrigin(topic.Origin{Partition: 1, Offset: 7, Timestamp: stored})).Message
}

// requirePermanent requires that err gives the message up: no other waits for it.
func requirePermanent(t *testing.T, err error, of any) {
	t.Helper()
	require.Error(t, err, "%v", of)
	require.Equal(t, reflect.TypeOf(consumer.Permanent(err)), reflect.TypeOf(err), "%v", of)
}

func TestTimesOfStatesAreBounded(t *testing.T) {
	t.Parallel()
	l, s, _ := start(t)
	for ms, want := range map[uint64]time.Time{
		1_764_331_200_000:         time.UnixMilli(1_764_331_200_000).UTC(),
		0:                         stored,
		1_764_331_200_000_000:     stored, // microseconds
		1_764_331_200_000_000_000: stored, // nanoseconds
		math.MaxUint64:            stored,
	} {
		id := time.Duration(ms).String()
		require.NoError(t, l.Status(t.Context(), message(&jobspb.JobStatus{
			JobId: id, State: jobspb.JobState_JOB_STATE_QUEUED, ResourcesTotal: 2, TimestampMs: ms,
		})))
		state, err := s.State(id)
		require.NoError(t, err)
		require.Equal(t, want, state.At, "%d", ms)
	}
}

func TestStatesOutOfBoundsAreGivenUp(t *testing.T) {
	t.Parallel()
	l, s, _ := start(t)
	for _, status := range []*jobspb.JobStatus{
		{},
		{JobId: strings.Repeat("j", 256)},
		{JobId: "j", JobType: strings.Repeat("t", 5000)},
		{JobId: "j", ResourcesTotal: 2, ResourcesCompleted: math.MaxUint32, ResourcesFailed: math.MaxUint32},
	} {
		requirePermanent(t, l.Status(t.Context(), message(status)), status)
	}
	states, err := s.Jobs(10)
	require.NoError(t, err)
	require.Empty(t, states)

	require.NoError(t, l.Status(t.Context(), message(&jobspb.JobStatus{
		JobId: "j", State: 99, LastErrorCode: strings.Repeat("c", 1<<20), LastErrorMessage: strings.Repeat("m", 1<<20),
	})))
	state, err := s.State("j")
	require.NoError(t, err)
	require.Equal(t, store.InProgress, state.Status, "a state of a newer producer")
	require.Len(t, state.LastError, 8<<10)
	require.True(t, strings.HasSuffix(state.LastError, "… (2097154 bytes)"), state.LastError[8100:])
}

func TestLogEntriesAreBounded(t *testing.T) {
	t.Parallel()
	l, s, _ := start(t)
	for _, log := range []*jobspb.JobLog{
		{Message: "m"},
		{JobId: strings.Repeat("j", 256), Message: "m"},
		{JobId: "j", ResourceId: strings.Repeat("r", 5000), Message: "m"},
	} {
		requirePermanent(t, l.Log(t.Context(), message(log)), log)
	}
	fields := map[string]string{strings.Repeat("n", 1<<20): "long name", "controls": strings.Repeat("\x01", 1<<20)}
	for i := range 2000 {
		fields["f"+time.Duration(i).String()] = strings.Repeat("v", 100)
	}
	require.NoError(t, l.Log(t.Context(), message(&jobspb.JobLog{
		JobId: "j", Level: 9, Message: strings.Repeat("m", 5<<20), Fields: fields, TimestampMs: math.MaxUint64, TraceId: strings.Repeat("t", 1<<20),
	})))
	r := s.OpenLog("j")
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	entries, err := r.Next()
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Less(t, len(entries[0].Entry), 256<<10)
	var got jobspb.JobLog
	require.NoError(t, protojson.Unmarshal(entries[0].Entry, &got))
	require.Equal(t, jobspb.LogLevel_LOG_LEVEL_ERROR, got.GetLevel())
	require.EqualValues(t, stored.UnixMilli(), got.GetTimestampMs())
	require.Empty(t, got.GetTraceId())
	require.True(t, strings.HasSuffix(got.GetMessage(), "… (5242880 bytes)"))
	require.Greater(t, len(got.GetFields()), 500, "what has room is kept")
	var view struct{ Level string }
	require.NoError(t, json.Unmarshal(entries[0].Entry, &view), "the page reads the level as a text")
}

// A directory that no job can use makes all messages wait. What belongs to one job does not.
func TestOnlyTheMachineMakesMessagesWait(t *testing.T) {
	t.Parallel()
	l, _, dir := start(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ledger"), nil, 0o640))
	err := l.Status(t.Context(), message(&jobspb.JobStatus{JobId: "j"}))
	require.Equal(t, consumer.Unavailable(errors.Unwrap(err), consumer.ForAllPartitions()), err)
	require.NoError(t, os.Remove(filepath.Join(dir, "ledger")))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "ledger", "j.jsonl"), 0o750))
	require.NoError(t, l.Status(t.Context(), message(&jobspb.JobStatus{JobId: "j"})))

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "damaged")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "damaged"), nil, 0o640), "nothing can be put aside")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "ledger", "k.jsonl"), 0o750))
	requirePermanent(t, l.Status(t.Context(), message(&jobspb.JobStatus{JobId: "k"})), "k")
	require.NoError(t, l.Status(t.Context(), message(&jobspb.JobStatus{JobId: "l"})))
}
