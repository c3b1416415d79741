package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
)

func (a *app) offsetsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "offsets",
		Short: "Set or reset the committed offsets of a consumer group",
		Long: `Set or reset the committed offsets of a consumer group.

Stop the group's consumers first: the server lets only the owner of a partition change
its offset. The command prints the changes and asks. lag shows the committed offsets.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.offsetsSetCommand(), a.offsetsResetCommand())
	return c
}

// offsetsOptions are the flags of both commands.
type offsetsOptions struct {
	topic, group string
	partitions   []uint
	yes, dryRun  bool
}

func (o *offsetsOptions) addFlags(a *app, c *cobra.Command) {
	c.Flags().StringVar(&o.group, "group", "", "`name` of the consumer group (default for FetchBox's topics: the configured one)")
	c.Flags().UintSliceVar(&o.partitions, "partition", nil, "only this partition; several are separated by commas")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "print what would change, and change nothing")
	completeFlag(c, "group", a.completeBy(completeGroups))
	completeFlag(c, "partition", a.completeBy(completePartitions))
}

// offsetTarget is the offset to commit in a partition, nil to delete the committed offset.
type offsetTarget func(context.Context, *admin.Admin, admin.Group, admin.PartitionLag) (*uint64, error)

// offsetChange is the change of the committed offset of one partition.
type offsetChange struct {
	Partition   uint32  `json:"partition"`
	From        *uint64 `json:"from"` // nil when nothing is committed
	To          *uint64 `json:"to"`   // nil to remove what is committed
	Redelivered uint64  `json:"delivered_again"`
	Skipped     uint64  `json:"skipped"`
}

// changeOffsets computes the changes with target, prints them, asks for confirmation and applies
// them.
func (a *app) changeOffsets(ctx context.Context, o offsetsOptions, target offsetTarget) error {
	return a.withAdmin(func(cluster config.Cluster, server *admin.Admin) error {
		t, err := parseTopic(cluster.Topics, o.topic)
		if err != nil {
			return err
		}
		group, err := chooseGroup(ctx, server, cluster, t, o.group)
		if err != nil {
			return interruptedOr(ctx, err)
		}
		g := admin.Group{Stream: t.stream, Topic: t.name, Name: group}
		lag, err := server.Lag(ctx, g)
		if err != nil {
			return interruptedOr(ctx, err)
		}
		if len(lag.Members) > 0 && !o.dryRun {
			return fmt.Errorf("%s: %w", g, admin.ErrGroupInUse)
		}
		changes, err := planOffsetChanges(ctx, server, lag, o, target)
		if err != nil {
			return interruptedOr(ctx, err)
		}
		if err := a.printOffsetChanges(g, changes); err != nil {
			return err
		}
		if len(changes) == 0 || o.dryRun {
			return nil
		}
		if !o.yes {
			if err := a.confirm(ctx, fmt.Sprintf("change %s of the group %s?", plural(len(changes), "offset"), group)); err != nil {
				return err
			}
		}
		return interruptedOr(ctx, applyOffsetChanges(ctx, server, g, changes))
	})
}

// planOffsetChanges computes the changes of the selected partitions.
func planOffsetChanges(ctx context.Context, server *admin.Admin, lag admin.Lag, o offsetsOptions, target offsetTarget) ([]offsetChange, error) {
	have := make([]uint32, len(lag.Partitions))
	byID := map[uint32]admin.PartitionLag{}
	for i, p := range lag.Partitions {
		have[i] = p.ID
		byID[p.ID] = p
	}
	chosen, err := parsePartitions(o.partitions, have)
	if err != nil {
		return nil, err
	}
	changes := []offsetChange{}
	for _, id := range chosen {
		p := byID[id]
		to, err := target(ctx, server, lag.Group, p)
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", id, err)
		}
		c := offsetChange{Partition: id, To: to}
		if p.Stored {
			c.From = &p.Committed
		}
		from, until := nextOffset(c.From), nextOffset(c.To)
		c.Redelivered, c.Skipped = distance(until, from), distance(from, until)
		if p.Stored != (to != nil) || p.Stored && p.Committed != *to {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// nextOffset is the offset that is delivered next.
func nextOffset(committed *uint64) uint64 {
	if committed == nil {
		return 0
	}
	return *committed + 1
}

// distance is the number of offsets between two, 0 when to is before from.
func distance(from, to uint64) uint64 {
	if to <= from {
		return 0
	}
	return to - from
}

func (a *app) printOffsetChanges(g admin.Group, changes []offsetChange) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(struct {
			admin.Group
			Changes []offsetChange `json:"changes"`
		}{g, changes})
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintf(a.out, "%s: nothing changes\n", g)
		return err
	}
	t := table{header: []string{"partition", "committed", "becomes", "delivered again", "skipped"}}
	for _, c := range changes {
		redelivered, skipped := cell{text: fmt.Sprint(c.Redelivered)}, cell{text: fmt.Sprint(c.Skipped)}
		if c.Redelivered > 0 {
			redelivered.colour = yellow
		}
		if c.Skipped > 0 {
			skipped.colour = red
		}
		t.row(c.Partition, offsetOr(c.From, "nothing"), offsetOr(c.To, "nothing"), redelivered, skipped)
	}
	return t.print(a.out, a.streams.Out)
}

func offsetOr(offset *uint64, none string) string {
	if offset == nil {
		return none
	}
	return fmt.Sprint(*offset)
}

func applyOffsetChanges(ctx context.Context, server *admin.Admin, g admin.Group, changes []offsetChange) error {
	set := map[uint32]uint64{}
	var remove []uint32
	for _, c := range changes {
		if c.To != nil {
			set[c.Partition] = *c.To
		} else {
			remove = append(remove, c.Partition)
		}
	}
	if len(remove) > 0 {
		if err := server.DeleteOffsets(ctx, g, remove...); err != nil {
			return err
		}
	}
	if len(set) > 0 {
		return server.SetOffsets(ctx, g, set)
	}
	return nil
}
