package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
)

func (a *app) offsetsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "offsets",
		Short: "Set or reset the committed offsets of a consumer group",
		Long: `Set or reset the committed offsets of a consumer group.

The group's consumers must be stopped first: the server lets nobody but the owner
of a partition change its offset. What changes is printed, and asked for.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.offsetsSetCommand(), a.offsetsResetCommand())
	return c
}

// offsetsOptions are the flags that both commands have.
type offsetsOptions struct {
	topic, group string
	partitions   []uint
	yes, dryRun  bool
}

func (o *offsetsOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.topic, "topic", "tasks", topicHelp)
	c.Flags().StringVar(&o.group, "group", "", "`name` of the consumer group (default: the configured one of the topic)")
	c.Flags().UintSliceVar(&o.partitions, "partition", nil, "only this partition; several are separated by commas")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "print what would change only")
	_ = c.RegisterFlagCompletionFunc("topic", cobra.FixedCompletions(topicNames, cobra.ShellCompDirectiveNoFileComp))
}

// move is what is to happen to one partition.
type move struct {
	Partition uint32  `json:"partition"`
	From      *uint64 `json:"from"` // nil when nothing is committed
	To        *uint64 `json:"to"`   // nil to forget what is committed
	Again     uint64  `json:"delivered_again"`
	Skipped   uint64  `json:"skipped"`
}

// moveOffsets plans the moves with target, prints them, asks and makes them.
func (a *app) moveOffsets(ctx context.Context, o offsetsOptions, target func(context.Context, *admin.Admin, admin.Group, admin.PartitionLag) (*uint64, error)) error {
	cluster, err := a.load()
	if err != nil {
		return err
	}
	short, full := findTopic(cluster.Topics, o.topic)
	group, err := groupOf(cluster, short, o.group)
	if err != nil {
		return err
	}
	server, err := a.admin(cluster)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	g := admin.Group{Stream: cluster.Topics.Stream, Topic: full, Name: group}
	lag, err := server.Lag(ctx, g)
	if err != nil {
		return cause(ctx, err)
	}
	if len(lag.Members) > 0 && !o.dryRun {
		return fmt.Errorf("%s: %w", g, admin.ErrGroupInUse)
	}
	moves, err := planMoves(ctx, server, lag, o, target)
	if err != nil {
		return cause(ctx, err)
	}
	if err := a.printMoves(g, moves); err != nil {
		return err
	}
	if len(moves) == 0 || o.dryRun {
		return nil
	}
	if !o.yes {
		if err := a.confirm(ctx, fmt.Sprintf("change %s of the group %s?", plural(len(moves), "offset"), group)); err != nil {
			return err
		}
	}
	return cause(ctx, makeMoves(ctx, server, g, moves))
}

func planMoves(ctx context.Context, server *admin.Admin, lag admin.Lag, o offsetsOptions, target func(context.Context, *admin.Admin, admin.Group, admin.PartitionLag) (*uint64, error)) ([]move, error) {
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
	moves := []move{}
	for _, id := range chosen {
		p := byID[id]
		to, err := target(ctx, server, lag.Group, p)
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", id, err)
		}
		m := move{Partition: id, To: to}
		if p.Stored {
			m.From = &p.Committed
		}
		from, until := next(m.From), next(m.To)
		m.Again, m.Skipped = distance(until, from), distance(from, until)
		if p.Stored != (to != nil) || p.Stored && p.Committed != *to {
			moves = append(moves, m)
		}
	}
	return moves, nil
}

// next is the offset that is delivered next.
func next(committed *uint64) uint64 {
	if committed == nil {
		return 0
	}
	return *committed + 1
}

func distance(from, to uint64) uint64 {
	if to <= from {
		return 0
	}
	return to - from
}

func (a *app) printMoves(g admin.Group, moves []move) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(struct {
			admin.Group
			Moves []move `json:"moves"`
		}{g, moves})
	}
	if len(moves) == 0 {
		_, err := fmt.Fprintf(a.out, "%s: nothing changes\n", g)
		return err
	}
	t := table{header: []string{"partition", "committed", "becomes", "delivered again", "skipped"}}
	for _, m := range moves {
		again, skipped := cell{text: fmt.Sprint(m.Again)}, cell{text: fmt.Sprint(m.Skipped)}
		if m.Again > 0 {
			again.colour = yellow
		}
		if m.Skipped > 0 {
			skipped.colour = red
		}
		t.row(m.Partition, committedOr(m.From, "nothing"), committedOr(m.To, "nothing"), again, skipped)
	}
	return t.print(a.out, a.streams.Out)
}

func committedOr(offset *uint64, none string) string {
	if offset == nil {
		return none
	}
	return fmt.Sprint(*offset)
}

func makeMoves(ctx context.Context, server *admin.Admin, g admin.Group, moves []move) error {
	set := map[uint32]uint64{}
	var forget []uint32
	for _, m := range moves {
		if m.To != nil {
			set[m.Partition] = *m.To
		} else {
			forget = append(forget, m.Partition)
		}
	}
	if len(forget) > 0 {
		if err := server.DeleteOffsets(ctx, g, forget...); err != nil {
			return err
		}
	}
	if len(set) > 0 {
		return server.SetOffsets(ctx, g, set)
	}
	return nil
}
