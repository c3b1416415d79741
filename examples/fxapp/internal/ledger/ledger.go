// Package ledger consumes jobs.status and jobs.logs and stores the state and the log of each job
// for the API. It acknowledges a message after it has stored it, so nothing is lost in a restart.
// While the store fails, the consumers pause and are not ready.
// Storing a redelivered message again has no effect.
package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// Ledger handles the messages of jobs.status and jobs.logs. It is safe for concurrent use.
type Ledger struct {
	store  *store.Store
	tracer trace.Tracer
}

// New returns a Ledger that writes to s.
func New(s *store.Store, tracers trace.TracerProvider) *Ledger {
	return &Ledger{store: s, tracer: tracers.Tracer(telemetry.Scope)}
}

var errNoJob = errors.New("the message has no job id")

// Status is the handler of the status consumer.
func (l *Ledger) Status(ctx context.Context, m *consumer.Message[*jobspb.JobStatus]) error {
	status := m.Value
	if status.GetJobId() == "" {
		return consumer.Permanent(errNoJob)
	}
	_, end := telemetry.StartSpan(ctx, l.tracer, "store state", m.Headers(),
		attribute.String("fetchbox.job_id", status.GetJobId()))
	err := l.store.PutState(stateOf(status))
	end(err)
	return unavailable(err)
}

// Log is the handler of the log consumer.
func (l *Ledger) Log(_ context.Context, m *consumer.Message[*jobspb.JobLog]) error {
	if m.Value.GetJobId() == "" {
		return consumer.Permanent(errNoJob)
	}
	entry, err := protojson.Marshal(m.Value)
	if err != nil {
		return consumer.Permanent(err)
	}
	line := store.LogEntry{Partition: m.Partition(), Offset: m.Offset(), Entry: entry}
	return unavailable(l.store.AppendLog(m.Value.GetJobId(), line))
}

// unavailable is the error of a handler for an error of the store: no message is to blame for it. A
// fault of the machine concerns all messages.
func unavailable(err error) error {
	if store.IsUnavailable(err) {
		return consumer.Unavailable(err, consumer.ForAllPartitions())
	}
	return consumer.Unavailable(err)
}

func stateOf(status *jobspb.JobStatus) store.State {
	state := store.State{
		JobID: status.GetJobId(), JobType: status.GetJobType(), Status: statusOf(status.GetState()),
		Total: status.GetResourcesTotal(), Completed: status.GetResourcesCompleted(),
		Failed: status.GetResourcesFailed(),
		At:     time.UnixMilli(int64(status.GetTimestampMs())).UTC(),
	}
	code, message := status.GetLastErrorCode(), status.GetLastErrorMessage()
	if code != "" || message != "" {
		state.LastError = strings.TrimPrefix(strings.TrimSuffix(code+": "+message, ": "), ": ")
	}
	return state
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
