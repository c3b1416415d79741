package cli

import (
	"github.com/spf13/cobra"
)

func (a *app) dlqCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dlq",
		Short: "List, replay or drop dead letters",
		Long: `List, replay or drop dead letters.

Messages can be neither changed nor deleted one by one. So what was done with a dead
letter is written to a topic of its own, named like that of the dead letters with
.marks appended. Each command may be repeated, and several people may work at the
same time. Copies of a dead letter, which one failure may leave, count as one.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.dlqListCommand(), a.dlqShowCommand(), a.dlqReplayCommand(), a.dlqDropCommand())
	return c
}
