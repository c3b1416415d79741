package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
)

func (a *app) dlqShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show POSITION",
		Short:   "Show everything about one dead letter",
		Long:    "Show everything about one dead letter: the task, why and where it failed, its\nheaders, and what was done with it. list prints the positions.",
		Example: `  fetchbox-iggy-cli dlq show 0/12`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%s takes one position, such as 0/12", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.dlqShow(cmd.Context(), args[0]) },
	}
}

func (a *app) dlqShow(ctx context.Context, position string) error {
	f := deadLetterFilter{state: stateAll, positions: []string{position}}
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
	var found *deadLetterView
	err = a.eachDeadLetter(ctx, cluster, marks, f, func(l deadLetter, s deadLetterState) error {
		v := l.view(s)
		v.History = s.history
		for _, h := range l.headers {
			v.Headers = append(v.Headers, headerView(h))
		}
		text, err := protojson.Marshal(l.value)
		if err != nil {
			return err
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			return err
		}
		v.Letter = compact.Bytes()
		found = &v
		return nil
	})
	if err != nil {
		return err
	}
	if found == nil {
		return fmt.Errorf("there is no dead letter at %s (or it is a copy of an earlier one)", position)
	}
	encoder := json.NewEncoder(a.out)
	if !a.json() {
		encoder.SetIndent("", "  ")
	}
	return encoder.Encode(found)
}
