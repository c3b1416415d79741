package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
)

func (a *app) offsetsResetCommand() *cobra.Command {
	var o offsetsOptions
	var to string
	c := &cobra.Command{
		Use:   "reset STREAM/TOPIC --to WHERE",
		Short: "Reset the committed offsets of a group to a time, the beginning or the end",
		Long: `Reset the committed offsets of a consumer group.

--to first   deletes the committed offsets: consumers begin at their start_from, by
             default at the oldest message
--to end     skips all messages
--to 2h      an age or a time (RFC 3339): consumers begin at the first message that
             the server has stored since then

` + topicHelp,
		Example: `  fetchbox-iggy-cli offsets reset shop/orders --group billing --to end
  fetchbox-iggy-cli offsets reset tasks --to 2h --dry-run`,
		Args:              oneTopic,
		ValidArgsFunction: a.topicArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic = args[0]
			target, err := resetTarget(to, time.Now())
			if err != nil {
				return err
			}
			return a.changeOffsets(cmd.Context(), o, target)
		},
	}
	o.addFlags(a, c)
	c.Flags().StringVar(&to, "to", "", "first, end, an age (2h, 7d) or a `time` (RFC 3339)")
	completeFlag(c, "to", fixed("first", "end", "1h", "1d"))
	return c
}

// resetTarget parses --to.
func resetTarget(to string, now time.Time) (offsetTarget, error) {
	end := func(p admin.PartitionLag) *uint64 {
		if p.Messages == 0 && p.Current == 0 {
			return nil // there never was a message to skip
		}
		return &p.Current
	}
	switch to {
	case "first":
		return func(context.Context, *admin.Admin, admin.Group, admin.PartitionLag) (*uint64, error) { return nil, nil }, nil
	case "end":
		return func(_ context.Context, _ *admin.Admin, _ admin.Group, p admin.PartitionLag) (*uint64, error) {
			return end(p), nil
		}, nil
	}
	at, err := parseTime(to, now)
	if to == "" || err != nil {
		return nil, usagef("--to must be first, end, an age (2h, 7d) or a time (RFC 3339), not %q", to)
	}
	return func(ctx context.Context, server *admin.Admin, g admin.Group, p admin.PartitionLag) (*uint64, error) {
		offset, found, err := server.OffsetAt(ctx, g.Stream, g.Topic, p.ID, at)
		switch {
		case err != nil:
			return nil, err
		case !found:
			return end(p), nil
		case offset == 0:
			return nil, nil
		}
		offset--
		return &offset, nil
	}, nil
}
