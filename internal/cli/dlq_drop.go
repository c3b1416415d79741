package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

var dropStates = []string{stateOpen, stateReplayed}

func (a *app) dlqDropCommand() *cobra.Command {
	var o selectionOptions
	c := &cobra.Command{
		Use:   "drop [STREAM/TOPIC] [POSITION...]",
		Short: "Drop dead letters, so that list and replay leave them out",
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

// dropCounts counts the results of a drop by dead letter.
type dropCounts struct {
	Dropped int `json:"dropped"`
	// Skipped counts those that another run has changed meanwhile.
	Skipped int `json:"skipped"`
	// NotDropped counts those that are as before, after a failure or an interrupt.
	NotDropped  int  `json:"not_dropped,omitempty"`
	Interrupted bool `json:"interrupted,omitempty"`
}

func (a *app) dlqDrop(ctx context.Context, name string, o selectionOptions) error {
	selected, err := a.selectLetters(ctx, name, o, "drop", dropStates)
	if err != nil || selected == nil {
		return err
	}
	defer selected.close(ctx)
	counts, err := a.drop(ctx, selected, o.filter.state)
	if counts == (dropCounts{}) {
		return err // what was marked is not known
	}
	return errors.Join(err, a.printDropped(counts))
}

// drop marks the selected dead letters, in chunks. When ctx ends, the chunk has the grace period, and
// no more follow.
func (a *app) drop(ctx context.Context, selected *selection, from string) (counts dropCounts, err error) {
	bar := newProgressBar(a.err, "dropped", int64(len(selected.selected)))
	done := 0
	for letters := range slices.Chunk(selected.selected, maxChunkMessages) {
		if err = a.dropChunk(ctx, selected, letters, from); err != nil {
			break
		}
		done += len(letters)
		bar.update(int64(done), done)
	}
	bar.clear()
	// What is marked is what counts, also after a failure.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	if unread := selected.marks.update(bounded, a, selected.cluster, nil); unread != nil {
		return counts, errors.Join(err, unread)
	}
	now := time.Now()
	for _, l := range selected.selected {
		switch selected.marks.state(l.key).at(now) {
		case stateDropped:
			counts.Dropped++
		case from:
			counts.NotDropped++
		default:
			counts.Skipped++
		}
	}
	counts.Interrupted = interrupted(ctx) != nil
	return counts, err
}

// dropChunk marks some dead letters.
func (a *app) dropChunk(ctx context.Context, selected *selection, letters []selectedLetter, from string) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	bounded, cancel := withGracePeriod(ctx)
	defer cancel()
	marks := make([]mark, len(letters))
	for i, l := range letters {
		marks[i] = mark{Letter: l.key, Position: l.position, Mark: markDropped, From: from}
	}
	return interruptedOr(ctx, selected.marks.write(bounded, selected.producer, marks))
}

func (a *app) printDropped(c dropCounts) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(c)
	}
	text := "dropped " + plural(c.Dropped, "dead letter")
	if c.Skipped > 0 {
		text += fmt.Sprintf("; %d were changed by another run meanwhile", c.Skipped)
	}
	if c.NotDropped > 0 {
		text += fmt.Sprintf("; %d not dropped", c.NotDropped)
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}
