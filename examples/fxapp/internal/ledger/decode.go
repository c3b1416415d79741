package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/bounded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// The limits of what is stored of a message, in bytes.
const (
	maxIDBytes      = 4 << 10
	maxMessageBytes = 8 << 10
	maxFieldBytes   = 4 << 10  // of the value of one field
	maxFieldsBytes  = 64 << 10 // of all fields of a log entry
)

var (
	errNoJob  = errors.New("the message has no job id of at most 255 bytes")
	errLongID = fmt.Errorf("an id has more than %d bytes", maxIDBytes)
	errCounts = errors.New("more resources are finished than the job has")
)

// checkID checks the id of a job, which is the key of its messages and so has at most 255 bytes.
func checkID(id string) error {
	if id == "" || len(id) > 255 {
		return errNoJob
	}
	return nil
}

// stateOf returns the state of a job. A time that is missing or out of bounds is replaced by that of
// the message. A state of a newer producer is one of a job in progress.
func stateOf(status *jobspb.JobStatus, stored time.Time) (store.State, error) {
	if err := checkID(status.GetJobId()); err != nil {
		return store.State{}, err
	}
	if len(status.GetJobType()) > maxIDBytes {
		return store.State{}, errLongID
	}
	total := uint64(status.GetResourcesTotal())
	if total > 0 && uint64(status.GetResourcesCompleted())+uint64(status.GetResourcesFailed()) > total {
		return store.State{}, errCounts
	}
	state := store.State{
		JobID: status.GetJobId(), JobType: status.GetJobType(), Status: statusOf(status.GetState()),
		Total: status.GetResourcesTotal(), Completed: status.GetResourcesCompleted(),
		Failed: status.GetResourcesFailed(),
		At:     jobs.Time(status.GetTimestampMs(), stored),
	}
	code, message := status.GetLastErrorCode(), status.GetLastErrorMessage()
	if code != "" || message != "" {
		text := strings.TrimPrefix(strings.TrimSuffix(code+": "+message, ": "), ": ")
		state.LastError = bounded.Text(text, maxMessageBytes)
	}
	return state, nil
}

func statusOf(s jobspb.JobState) string {
	switch s {
	case jobspb.JobState_JOB_STATE_QUEUED:
		return store.Queued
	case jobspb.JobState_JOB_STATE_PARTIAL:
		return store.Partial
	case jobspb.JobState_JOB_STATE_COMPLETED:
		return store.Completed
	case jobspb.JobState_JOB_STATE_FAILED:
		return store.Failed
	default: // no state, or one of a newer producer
		return store.InProgress
	}
}

// entryOf returns a log entry as JSON. Its texts are cut. A time that is missing or out of bounds is
// replaced by that of the message, and an unknown level by the nearest one.
func entryOf(log *jobspb.JobLog, stored time.Time) ([]byte, error) {
	if err := checkID(log.GetJobId()); err != nil {
		return nil, err
	}
	if len(log.GetResourceId()) > maxIDBytes {
		return nil, errLongID
	}
	entry := &jobspb.JobLog{
		JobId: log.GetJobId(), ResourceId: log.GetResourceId(),
		Level:   min(max(log.GetLevel(), jobspb.LogLevel_LOG_LEVEL_TRACE), jobspb.LogLevel_LOG_LEVEL_ERROR),
		Message: bounded.Text(log.GetMessage(), maxMessageBytes), Fields: map[string]string{},
		TimestampMs: uint64(max(jobs.Time(log.GetTimestampMs(), stored).UnixMilli(), 0)),
	}
	if jobs.IsTraceID(log.GetTraceId()) {
		entry.TraceId = log.GetTraceId()
	}
	left := maxFieldsBytes
	for _, name := range slices.Sorted(maps.Keys(log.GetFields())) {
		value := bounded.Text(log.GetFields()[name], maxFieldBytes)
		if size := len(name) + len(value); size <= left {
			entry.Fields[name] = value
			left -= size
		}
	}
	return protojson.Marshal(entry)
}
