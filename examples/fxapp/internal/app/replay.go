package app

import (
	"context"
	"time"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/api"
	"github.com/fetchbox/fetchbox-iggy/internal/cli"
)

// replayTimeout bounds the replay of a job's dead letters.
const replayTimeout = 30 * time.Second

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
