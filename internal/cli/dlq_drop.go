package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

var dropStates = []string{stateOpen, stateReplayed}

func (a *app) dlqDropCommand() *cobra.Command {
	var o repairOptions
	c := &cobra.Command{
		Use:   "drop [POSITION...]",
		Short: "Drop dead letters: list and replay leave them out then",
		Long: `Drop dead letters, chosen by position or by filters. Nothing is deleted: they are
marked, and list and replay leave them out. replay --state dropped puts them back.`,
		Example: `  fetchbox-iggy-cli dlq drop --job-id 42 --code VALIDATION_DECODE --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.filter.positions = args
			return a.dlqDrop(cmd.Context(), o)
		},
	}
	o.flags(c, stateOpen, dropStates...)
	return c
}

func (a *app) dlqDrop(ctx context.Context, o repairOptions) error {
	job, err := a.prepare(ctx, o, "drop", dropStates)
	if err != nil || job == nil {
		return err
	}
	defer job.close(ctx)
	var all []mark
	for _, l := range job.chosen {
		all = append(all, mark{Letter: l.key, Position: l.position, Mark: markDropped, From: o.filter.state})
	}
	if err := job.marks.write(ctx, job.sender, all); err != nil {
		return cause(ctx, err)
	}
	if err := job.marks.update(ctx, a, job.cluster); err != nil {
		return cause(ctx, err)
	}
	dropped := 0
	for _, l := range job.chosen {
		if job.marks.of(l.key).state == stateDropped {
			dropped++
		}
	}
	if a.json() {
		return json.NewEncoder(a.out).Encode(map[string]int{"dropped": dropped, "skipped": len(job.chosen) - dropped})
	}
	text := "dropped " + plural(dropped, "dead letter")
	if n := len(job.chosen) - dropped; n > 0 {
		text += fmt.Sprintf("; %d were taken by someone else meanwhile", n)
	}
	_, err = fmt.Fprintln(a.out, text)
	return err
}
