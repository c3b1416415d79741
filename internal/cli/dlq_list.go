package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

var listStates = []string{stateOpen, stateClaimed, stateReplayed, stateDropped, stateAll}

func (a *app) dlqListCommand() *cobra.Command {
	var f deadLetterFilter
	c := &cobra.Command{
		Use:   "list",
		Short: "List the dead letters",
		Example: `  fetchbox-iggy-cli dlq list --code 'DOWNLOAD_*' --since 1d
  fetchbox-iggy-cli dlq list --state all -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.dlqList(cmd.Context(), f) },
	}
	f.addFlags(c, stateOpen, listStates...)
	return c
}

func (a *app) dlqList(ctx context.Context, f deadLetterFilter) error {
	if err := f.parse(time.Now(), listStates); err != nil {
		return err
	}
	cluster, err := a.loadCluster()
	if err != nil {
		return err
	}
	marks, err := a.readMarks(ctx, cluster)
	if err != nil {
		return err
	}
	t := table{header: []string{"position", "failed at", "job", "resource", "code", "attempts", "state", "message"}}
	encoder := json.NewEncoder(a.out)
	n := 0
	err = a.eachDeadLetter(ctx, cluster, marks, f, func(l deadLetter, s deadLetterState) error {
		n++
		if a.json() {
			return encoder.Encode(l.view(s))
		}
		task := l.task()
		t.row(l.position(), shortTime(l.failedAt()), printable(task.GetJobId()), printable(task.GetResourceId()),
			cell{printable(l.value.GetFailureCode()), red}, l.value.GetAttempts(), s.at(time.Now()), truncate(printable(l.value.GetFailureMessage()), 80))
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case a.json():
		return nil
	case n == 0:
		_, err := fmt.Fprintf(a.out, "no dead letters (--state %s)\n", f.state)
		return err
	}
	return t.print(a.out, a.streams.Out)
}
