package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

var dropStates = []string{stateOpen, stateReplayed}

func (a *app) dlqDropCommand() *cobra.Command {
	var o selectionOptions
	c := &cobra.Command{
		Use:   "drop [STREAM/TOPIC] [POSITION...]",
		Short: "Drop dead letters: list and replay leave them out then",
		Long: `Drop dead letters, selected by position or by filters. Nothing is deleted: they are
marked, and list and replay leave them out. replay --state dropped replays them.

` + topicHelp,
		Example: `  fetchbox-iggy-cli dlq drop shop/orders.billing.dlq --filter tenant=acme --dry-run
  fetchbox-iggy-cli dlq drop --job-id 42 --code VALIDATION_DECODE --yes`,
		ValidArgsFunction: a.letterArguments(stateOpen, 0),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, positions := splitLetterArgs(args)
			o.filter.positions = positions
			return a.dlqDrop(cmd.Context(), name, o)
		},
	}
	o.addFlags(c, stateOpen, dropStates...)
	return c
}

func (a *app) dlqDrop(ctx context.Context, name string, o selectionOptions) error {
	selected, err := a.selectLetters(ctx, name, o, "drop", dropStates)
	if err != nil || selected == nil {
		return err
	}
	defer selected.close(ctx)
	var marks []mark
	for _, l := range selected.selected {
		marks = append(marks, mark{Letter: l.key, Position: l.position, Mark: markDropped, From: o.filter.state})
	}
	if err := selected.marks.write(ctx, selected.producer, marks); err != nil {
		return interruptedOr(ctx, err)
	}
	if err := selected.marks.update(ctx, a, selected.cluster); err != nil {
		return interruptedOr(ctx, err)
	}
	dropped := 0
	for _, l := range selected.selected {
		if selected.marks.state(l.key).state == stateDropped {
			dropped++
		}
	}
	if a.json() {
		return json.NewEncoder(a.out).Encode(map[string]int{"dropped": dropped, "skipped": len(selected.selected) - dropped})
	}
	text := "dropped " + plural(dropped, "dead letter")
	if n := len(selected.selected) - dropped; n > 0 {
		text += fmt.Sprintf("; %d were changed by another run meanwhile", n)
	}
	_, err = fmt.Fprintln(a.out, text)
	return err
}
