package cli

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

func (a *app) dlqCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dlq",
		Short: "Look at the dead letters, put them back or drop them",
		Long: `Look at the dead letters, put them back or drop them.

What was done with a letter is noted in a topic of its own, named like that of
the letters with .marks behind, since messages can be neither changed nor deleted one
by one. So each command may be repeated, and several people may work at once.
Copies of a letter, which one failure may leave, count as one.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.dlqListCommand(), a.dlqShowCommand(), a.dlqReplayCommand(), a.dlqDropCommand())
	return c
}

// letterFilter says which dead letters are meant.
type letterFilter struct {
	job, code    string
	since, until string
	state        string
	all          bool
	positions    []string

	from, to time.Time
}

func (f *letterFilter) flags(c *cobra.Command, state string, states ...string) {
	c.Flags().StringVar(&f.job, "job-id", "", "only those of this `job`")
	c.Flags().StringVar(&f.code, "code", "", "only those with this failure `code`; DOWNLOAD_* is a pattern")
	c.Flags().StringVar(&f.since, "since", "", "only those stored since this `time`, or in this time: 1h, 7d")
	c.Flags().StringVar(&f.until, "until", "", "only those stored before this `time`, or before this age")
	c.Flags().StringVar(&f.state, "state", state, fmt.Sprintf("only those in this `state`: %s", joinOr(states)))
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
}

func joinOr(words []string) string {
	text := ""
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			text += " or "
		default:
			text += ", "
		}
		text += w
	}
	return text
}

// parse checks the filter.
func (f *letterFilter) parse(now time.Time, states []string) error {
	if _, err := path.Match(f.code, ""); err != nil {
		return usagef("--code: not a pattern: %q", f.code)
	}
	if !slices.Contains(states, f.state) {
		return usagef("--state must be %s, not %q", joinOr(states), f.state)
	}
	for _, t := range []struct {
		flag, text string
		at         *time.Time
	}{{"since", f.since, &f.from}, {"until", f.until, &f.to}} {
		if t.text == "" {
			continue
		}
		at, err := parseTime(t.text, now)
		if err != nil {
			return usagef("--%s must be an age (1h, 7d) or a time (RFC 3339), not %q", t.flag, t.text)
		}
		*t.at = at
	}
	for _, p := range f.positions {
		var partition uint32
		var offset uint64
		if n, err := fmt.Sscanf(p, "%d/%d", &partition, &offset); n != 2 || err != nil || fmt.Sprintf("%d/%d", partition, offset) != p {
			return usagef("a dead letter is named by its position, such as 0/12, not %q", p)
		}
	}
	return nil
}

// start is where the log has to be read from.
func (f *letterFilter) start() transport.Strategy {
	if f.from.IsZero() {
		return transport.Strategy{Kind: transport.FromFirst}
	}
	return transport.Strategy{Kind: transport.FromTimestamp, Value: uint64(max(f.from.UnixMicro(), 0))}
}

// narrows tells whether the filter chooses at all.
func (f *letterFilter) narrows() bool {
	return f.job != "" || f.code != "" || f.since != "" || f.until != "" || len(f.positions) > 0
}

func (f *letterFilter) matches(l letter, state letterState) bool {
	switch {
	case f.state != stateAll && f.state != state.shown(time.Now()),
		f.job != "" && l.task.GetTask().GetJobId() != f.job,
		!f.to.IsZero() && !l.timestamp.Before(f.to),
		len(f.positions) > 0 && !slices.Contains(f.positions, l.position()):
		return false
	case f.code != "":
		ok, _ := path.Match(f.code, l.task.GetFailureCode())
		return ok
	}
	return true
}

// eachLetter reads the letters that the filter chooses, oldest first, each once. It is an
// error when the filter's job has none, in whatever state.
func (a *app) eachLetter(ctx context.Context, cluster config.Cluster, marks *marks, f letterFilter, take func(letter, letterState) error) error {
	where := cluster.Topics.DLQ.Name
	r, err := a.openReader(ctx, cluster, cluster.Topics.Stream, where, f.start())
	if err != nil {
		return err
	}
	defer r.close(ctx)
	seen := map[string]bool{}
	knowsJob := f.job == ""
	err = r.toEnd(ctx, func(rec message) error {
		l := newLetter(rec)
		knowsJob = knowsJob || l.task.GetTask().GetJobId() == f.job
		if seen[l.key] {
			return nil
		}
		seen[l.key] = true
		state := marks.of(l.key)
		if !f.matches(l, state) {
			return nil
		}
		return take(l, state)
	})
	if err == nil && !knowsJob {
		return fmt.Errorf("there is no dead letter of job %q", f.job)
	}
	return err
}
