package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) dlqShowCommand() *cobra.Command {
	var p payloadOptions
	c := &cobra.Command{
		Use:   "show [STREAM/TOPIC] POSITION",
		Short: "Show everything about one dead letter",
		Long: `Show everything about one dead letter: its message, why and where it failed, its
headers, and what was done with it. list prints the positions.

` + topicHelp,
		Example: `  fetchbox-iggy-cli dlq show shop/orders.billing.dlq 0/12
  fetchbox-iggy-cli dlq show 0/12`,
		Args: func(cmd *cobra.Command, args []string) error {
			if _, positions := splitLetterArgs(args); len(positions) != 1 {
				return usagef("%s takes one position, such as 0/12, and the topic before it", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: a.letterArguments(stateAll, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, positions := splitLetterArgs(args)
			return a.dlqShow(cmd.Context(), name, positions[0], p)
		},
	}
	p.addFlags(c)
	return c
}

func (a *app) dlqShow(ctx context.Context, name, position string, p payloadOptions) error {
	f := deadLetterFilter{state: stateAll, positions: []string{position}}
	if err := f.parse(time.Now(), listStates); err != nil {
		return err
	}
	decoder, err := p.decoder(ctx)
	if err != nil {
		return err
	}
	letters, err := a.openDeadLetters(ctx, name)
	if err != nil {
		return err
	}
	var found *deadLetterView
	err = letters.each(ctx, f, func(l deadLetter, s deadLetterState) error {
		v := l.view(s)
		v.History, v.Headers = s.history, l.headers
		found = &v
		return l.describe(&v, decoder)
	})
	if err != nil {
		return err
	}
	if found == nil {
		return fmt.Errorf("there is no dead letter at %s in %s (or it is a copy of an earlier one)", position, letters.topic)
	}
	encoder := json.NewEncoder(a.out)
	encoder.SetEscapeHTML(false)
	if !a.json() {
		encoder.SetIndent("", "  ")
	}
	return encoder.Encode(found)
}
