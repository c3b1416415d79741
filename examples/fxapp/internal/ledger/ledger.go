// Package ledger consumes jobs.status and jobs.logs and stores the state and the log of each job
// for the API. It acknowledges a message after it has stored it, so nothing is lost in a restart.
// Storing a redelivered message again has no effect.
//
// Anyone may have written a message. Its times, numbers and texts are bounded before they are
// stored, and a message that can't be stored is given up. While the machine can't store anything,
// the consumers pause and are not ready.
package ledger

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

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

// Status is the handler of the status consumer.
func (l *Ledger) Status(ctx context.Context, m *consumer.Message[*jobspb.JobStatus]) error {
	state, err := stateOf(m.Value, m.Timestamp())
	if err != nil {
		return consumer.Permanent(err)
	}
	_, end := telemetry.StartSpan(ctx, l.tracer, "store state", m.Headers(),
		attribute.String("fetchbox.job_id", state.JobID))
	err = l.store.PutState(state)
	end(err)
	return l.failure(err)
}

// Log is the handler of the log consumer.
func (l *Ledger) Log(_ context.Context, m *consumer.Message[*jobspb.JobLog]) error {
	entry, err := entryOf(m.Value, m.Timestamp())
	if err != nil {
		return consumer.Permanent(err)
	}
	line := store.LogEntry{
		Partition: m.Partition(), Offset: m.Offset(), Stored: m.Timestamp().UnixMicro(), Entry: entry,
	}
	return l.failure(l.store.AppendLog(m.Value.GetJobId(), line))
}

// failure is the error of a handler for an error of the store. A fault of the machine concerns all
// messages: they wait. Otherwise the message is to blame, or the files of its job: another attempt
// fails, too, and others must not wait for it.
func (l *Ledger) failure(err error) error {
	if l.store.IsUnavailable(err) {
		return consumer.Unavailable(err, consumer.ForAllPartitions())
	}
	return consumer.Permanent(err)
}
