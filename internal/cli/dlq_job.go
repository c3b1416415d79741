package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// JobDeadLetter is a dead letter of one of FetchBox's jobs.
type JobDeadLetter struct {
	Position string // partition/offset
	Resource string
	Code     string
	Cause    string
	FailedAt time.Time
	// State is open, claimed, replayed or dropped.
	State string
}

// JobDeadLetters returns the dead letters of a job, oldest first, at most limit of them, and how many
// there are.
func JobDeadLetters(
	ctx context.Context, cluster config.Cluster, jobID string, limit int,
) (letters []JobDeadLetter, total int, err error) {
	all, err := silent(cluster).openDeadLetters(ctx, jobs.DeadLetters.Section())
	if err != nil {
		return nil, 0, err
	}
	filter := deadLetterFilter{job: jobID, state: stateAll}
	err = all.each(ctx, filter, func(l deadLetter, s deadLetterState) error {
		if total++; total <= limit {
			letters = append(letters, JobDeadLetter{l.position(), l.resource(), l.code, l.cause, l.failedAt, s.at(time.Now())})
		}
		return nil
	})
	var none *noJobError
	if errors.As(err, &none) {
		err = nil
	}
	return letters, total, err
}

// ReplayJob publishes the tasks of a job's open dead letters again, as "dlq replay --job-id" does:
// dead letters that were replayed before, or that somebody else replays, are left out. A job without
// dead letters is no error.
func ReplayJob(ctx context.Context, cluster config.Cluster, jobID string) (ReplayCounts, error) {
	a := silent(cluster)
	o := selectionOptions{yes: true, filter: deadLetterFilter{job: jobID, state: stateOpen}}
	selected, err := a.selectLetters(ctx, jobs.DeadLetters.Section(), o, "replay", replayStates)
	var none *noJobError
	switch {
	case errors.As(err, &none):
		return ReplayCounts{}, nil
	case err != nil || selected == nil:
		return ReplayCounts{}, err
	}
	defer selected.close(ctx)
	return a.replay(ctx, selected, o)
}

// silent returns an app without output, for callers within a program.
func silent(cluster config.Cluster) *app {
	return &app{out: io.Discard, err: io.Discard, configured: &cluster}
}
