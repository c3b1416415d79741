package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

type lagOptions struct {
	topics   []string
	group    string
	watch    bool
	interval time.Duration
}

func (a *app) lagCommand() *cobra.Command {
	var o lagOptions
	c := &cobra.Command{
		Use:   "lag [STREAM | STREAM/TOPIC]...",
		Short: "Show the lag of consumer groups, by partition",
		Long: `Show the lag of the consumer groups of all topics, of a stream or of topics. Each line
has a partition: the offset of its newest message, the committed offset of the group,
the lag, and how many members own the partition. If a partition has a lag and 0 owners,
nobody reads it.

` + topicHelp,
		Example: `  fetchbox-iggy-cli lag shop/orders --group billing
  fetchbox-iggy-cli lag tasks --watch`,
		ValidArgsFunction: a.completeBy(a.completeTopics),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topics = args
			return a.lag(cmd.Context(), o)
		},
	}
	c.Flags().StringVar(&o.group, "group", "", "`name` of the consumer group (default: all)")
	c.Flags().BoolVarP(&o.watch, "watch", "w", false, "repeat until ctrl-C")
	completeFlag(c, "group", a.completeBy(completeGroups))
	c.Flags().DurationVar(&o.interval, "interval", 2*time.Second, "pause between two readings with --watch")
	return c
}

func (a *app) lag(ctx context.Context, o lagOptions) error {
	if o.interval <= 0 {
		return usagef("--interval must be more than 0")
	}
	return a.withAdmin(func(cluster config.Cluster, server *admin.Admin) error {
		_, atTerminal := terminal(a.streams.Out)
		report := a.connectionReporter(cluster.Iggy)
		lost := false
		for {
			lags, err := o.read(ctx, server, cluster)
			switch {
			case interrupted(ctx) != nil:
				if o.watch {
					return nil // an interrupt is the way to end it
				}
				return interruptedOr(ctx, err)
			case err != nil && (!o.watch || !iggyerr.IsRetryable(err)):
				return err
			case lost != (err != nil):
				lost = err != nil
				report(err)
			}
			if err == nil {
				if err := a.printLags(lags, o.watch && atTerminal); err != nil {
					return err
				}
			}
			if !o.watch {
				return nil
			}
			select {
			case <-time.After(o.interval):
			case <-ctx.Done():
				return nil
			}
		}
	})
}

// read reads the lags of the groups that the options select.
func (o lagOptions) read(ctx context.Context, server *admin.Admin, cluster config.Cluster) ([]admin.Lag, error) {
	topics, err := findTopics(ctx, server, cluster.Topics, o.topics)
	if err != nil {
		return nil, err
	}
	lags, err := readLags(ctx, server, refsOf(topics), func(group string) bool {
		return group == o.group || o.group == "" && !isCoordination(group)
	})
	if err == nil && len(lags) == 0 && o.group != "" {
		err = fmt.Errorf("there is no consumer group %q%s", o.group, ifAny(" of ", o.topics))
	}
	return lags, err
}

// printLags prints the lags. With redraw, a terminal is cleared first.
func (a *app) printLags(lags []admin.Lag, redraw bool) error {
	if a.json() {
		encoder := json.NewEncoder(a.out)
		for _, l := range lags {
			if err := encoder.Encode(l); err != nil {
				return err
			}
		}
		return nil
	}
	var total uint64
	for _, l := range lags {
		total += l.Total()
	}
	text, err := a.lagText(lags)
	if err != nil {
		return err
	}
	_, height, atTerminal := screen(a.streams.Out)
	if redraw && atTerminal {
		if text, err = a.fitLags(lags, text, height-3); err != nil { // the total, the time, and the cursor's line
			return err
		}
		text = "\x1b[H\x1b[2J" + text
	}
	text += fmt.Sprintf("total lag: %d\n", total)
	if redraw {
		text += fmt.Sprintf("%s, ctrl-C ends\n", time.Now().Format(time.TimeOnly))
	}
	_, err = io.WriteString(a.out, text)
	return err
}

// fitLags shortens text to the height of a terminal. It leaves out partitions without a lag first.
func (a *app) fitLags(lags []admin.Lag, text string, height int) (string, error) {
	if strings.Count(text, "\n") <= height {
		return text, nil
	}
	hidden := 0
	var lagging []admin.Lag
	for _, l := range lags {
		all := l.Partitions
		l.Partitions = nil
		for _, p := range all {
			if p.Lag > 0 || p.BeyondEnd {
				l.Partitions = append(l.Partitions, p)
			}
		}
		hidden += len(all) - len(l.Partitions)
		if len(l.Partitions) > 0 {
			lagging = append(lagging, l)
		}
	}
	text, err := a.lagText(lagging)
	if err != nil {
		return "", err
	}
	lines := strings.SplitAfter(text, "\n")
	if len(lines) > max(height, 2) {
		lines = append(lines[:max(height, 2)-2], "… (a larger terminal shows more)\n")
	}
	return strings.Join(lines, "") + fmt.Sprintf("%s without a lag\n", plural(hidden, "partition")), nil
}

// lagText is one table, or one table for each group where that is too wide.
func (a *app) lagText(lags []admin.Lag) (string, error) {
	t := table{header: []string{"topic", "group", "partition", "current", "committed", "lag", "owners"}}
	var b bytes.Buffer
	if len(lags) == 0 {
		return "", nil
	}
	for _, l := range lags {
		for _, p := range l.Partitions {
			t.row(append([]any{printable(topicRef{stream: l.Stream, name: l.Topic}.String()), printable(l.Name)}, lagCells(p)...)...)
		}
	}
	if t.fits(a.streams.Out) {
		err := t.print(&b, a.streams.Out)
		return b.String(), err
	}
	for i, l := range lags {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s %s\n", printable(topicRef{stream: l.Stream, name: l.Topic}.String()), printable(l.Name))
		t := table{header: []string{"part", "current", "committed", "lag", "owners"}}
		for _, p := range l.Partitions {
			t.row(lagCells(p)...)
		}
		if err := t.print(&b, a.streams.Out); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func lagCells(p admin.PartitionLag) []any {
	return []any{p.ID, offsetText(p.Current, p.Messages > 0 || p.Current > 0), committedText(p), lagText(p), ownersText(p)}
}

func offsetText(offset uint64, ok bool) string {
	if !ok {
		return "-"
	}
	return fmt.Sprint(offset)
}

func committedText(p admin.PartitionLag) cell {
	if p.BeyondEnd {
		return cell{fmt.Sprintf("%d (beyond the end)", p.Committed), red}
	}
	return cell{text: offsetText(p.Committed, p.Stored)}
}

func lagText(p admin.PartitionLag) cell {
	c := cell{text: fmt.Sprint(p.Lag)}
	if p.Lag > 0 {
		c.colour = yellow
	}
	return c
}

func ownersText(p admin.PartitionLag) cell {
	c := cell{text: fmt.Sprint(p.Owners)}
	if p.Owners != 1 && p.Lag > 0 {
		c.colour = red
	}
	return c
}
