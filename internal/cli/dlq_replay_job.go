package cli

import (
	"context"
	"errors"
	"io"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// ReplayJob publishes the tasks of a job's open dead letters again, as "dlq replay --job-id" does:
// dead letters that were replayed before, or that somebody else replays, are left out. A job without
// dead letters is no error.
func ReplayJob(ctx context.Context, cluster config.Cluster, jobID string) (ReplayCounts, error) {
	a := &app{out: io.Discard, err: io.Discard, configured: &cluster}
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
