package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
)

func (a *app) offsetsSetCommand() *cobra.Command {
	var o offsetsOptions
	var offset uint64
	c := &cobra.Command{
		Use:   "set STREAM/TOPIC --partition N --offset N",
		Short: "Set the committed offset of partitions",
		Long: `Set the committed offset of one or more partitions: the offset of the last message
that counts as acknowledged. The consumers continue with the message after it.

` + topicHelp,
		Example:           `  fetchbox-iggy-cli offsets set shop/orders --group billing --partition 3 --offset 41`,
		Args:              oneTopic,
		ValidArgsFunction: a.topicArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic = args[0]
			if !cmd.Flags().Changed("offset") || len(o.partitions) == 0 {
				return usagef("--partition and --offset are needed")
			}
			return a.changeOffsets(cmd.Context(), o, func(_ context.Context, _ *admin.Admin, _ admin.Group, p admin.PartitionLag) (*uint64, error) {
				if offset > p.Current || p.Messages == 0 && p.Current == 0 {
					return nil, fmt.Errorf("the offset %d is beyond the end of the log", offset)
				}
				return &offset, nil
			})
		},
	}
	o.addFlags(a, c)
	c.Flags().Uint64Var(&offset, "offset", 0, "`offset` of the last message that counts as acknowledged")
	return c
}
