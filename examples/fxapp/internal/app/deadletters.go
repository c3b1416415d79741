package app

import (
	"context"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
	"github.com/fetchbox/fetchbox-iggy/internal/cli"
)

const (
	// lettersTimeout bounds the reading of a job's dead letters.
	lettersTimeout = 15 * time.Second
	// replayTimeout bounds the replay of a job's dead letters.
	replayTimeout = 30 * time.Second
)

// jobDeadLetters returns the first dead letters of a job, and how many there are.
func jobDeadLetters(ctx context.Context, cluster config.Cluster, jobID string) ([]api.DeadLetter, int, error) {
	ctx, cancel := context.WithTimeout(ctx, lettersTimeout)
	defer cancel()
	found, total, err := cli.JobDeadLetters(ctx, cluster, jobID, api.MaxDeadLetters)
	letters := make([]api.DeadLetter, len(found))
	for i, l := range found {
		letters[i] = api.DeadLetter{
			Position: l.Position, ResourceID: l.Resource, Code: l.Code, Cause: l.Cause,
			FailedAt: l.FailedAt.UTC(), State: l.State,
		}
	}
	return letters, total, err
}

// replayJob publishes the tasks of a job's open dead letters again, with the code of the command
// "fetchbox-iggy-cli dlq replay --job-id": each dead letter is claimed and marked, so that the page
// and the command never replay the same one. Programs of other modules run the command.
func replayJob(ctx context.Context, cluster config.Cluster, jobID string) (api.Replayed, error) {
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	counts, err := cli.ReplayJob(ctx, cluster, jobID)
	return api.Replayed{
		Replayed: counts.Replayed + counts.Found, Skipped: counts.Claimed + len(counts.Unfit),
		Failed: counts.Failed + counts.Unknown,
	}, err
}
