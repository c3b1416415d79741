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
		Use:   "list [STREAM/TOPIC]",
		Short: "List the dead letters",
		Long:  "List the dead letters in a topic. Without a topic, list FetchBox's.\n\n" + topicHelp,
		Example: `  fetchbox-iggy-cli dlq list shop/orders.billing.dlq --since 1d
  fetchbox-iggy-cli dlq list --code 'DOWNLOAD_*' --state all -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if _, positions := splitLetterArgs(args); len(positions) > 0 {
				return usagef("%s takes one topic only, such as shop/orders.billing.dlq", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: a.topicArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, _ := splitLetterArgs(args)
			return a.dlqList(cmd.Context(), name, f)
		},
	}
	f.addFlags(c, stateOpen, listStates...)
	return c
}

func (a *app) dlqList(ctx context.Context, name string, f deadLetterFilter) error {
	if err := f.parse(time.Now(), listStates); err != nil {
		return err
	}
	letters, err := a.openDeadLetters(ctx, name)
	if err != nil {
		return err
	}
	t := table{header: letterColumns("attempts", "state", "cause")}
	encoder := json.NewEncoder(a.out)
	n := 0
	each := letters.eachWithProgress
	if a.json() {
		each = letters.each // which prints as it reads
	}
	err = each(ctx, f, func(l deadLetter, s deadLetterState) error {
		n++
		if a.json() {
			return encoder.Encode(l.view(s))
		}
		l.row(&t, l.attempts, s.at(time.Now()), truncate(printable(l.cause), 80))
		return nil
	})
	if err != nil {
		return err
	}
	letters.reportOthers()
	switch {
	case a.json():
		return nil
	case n == 0:
		_, err := fmt.Fprintf(a.out, "no dead letters (--state %s)\n", f.state)
		return err
	}
	t.dropEmpty()
	t.shrinkLast(a.streams.Out, 20)
	return t.print(a.out, a.streams.Out)
}
