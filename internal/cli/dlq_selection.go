package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// selectionOptions are the flags of the commands that change dead letters.
type selectionOptions struct {
	filter      deadLetterFilter
	yes, dryRun bool
	// undecoded selects the messages that could not be decoded, too. Only replay has this flag.
	undecoded bool
}

// addFlags adds the flags. state is the default of --state, states are the accepted ones.
func (o *selectionOptions) addFlags(c *cobra.Command, state string, states ...string) {
	o.filter.addFlags(c, state, states...)
	c.Flags().BoolVar(&o.filter.all, "all", false, "all of them, without a filter")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be done only")
}

// selectedLetter is a dead letter that the command changes.
type selectedLetter struct {
	key, position string
	unfit         string // why it can't be replayed, empty when it can
}

// selection is the dead letters that a command changes, and what it needs to change them.
type selection struct {
	marks    *marks
	letters  []selectedLetter
	producer *producer.Producer
	cluster  config.Cluster
}

// close stops the producer.
func (s *selection) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	_ = s.producer.Stop(ctx)
}

// selectLetters selects the dead letters, and prints a preview or asks for confirmation. It returns
// nil when there is nothing to do.
func (a *app) selectLetters(ctx context.Context, o selectionOptions, verb string, states []string) (*selection, error) {
	if err := o.filter.parse(time.Now(), states); err != nil {
		return nil, err
	}
	if o.filter.hasCriteria() == o.filter.all {
		return nil, usagef("select the dead letters to %s: by position, by --job-id, --code, --since or --until, or --all", verb)
	}
	cluster, err := a.loadCluster()
	if err != nil {
		return nil, err
	}
	s := &selection{cluster: cluster}
	if s.marks, err = a.readMarks(ctx, cluster); err != nil {
		return nil, err
	}
	preview := table{header: []string{"position", "failed at", "job", "resource", "code"}}
	err = a.eachDeadLetter(ctx, cluster, s.marks, o.filter, func(l deadLetter, _ deadLetterState) error {
		unfit := ""
		if verb != "drop" {
			unfit = l.unfit(o.undecoded)
		}
		s.letters = append(s.letters, selectedLetter{l.key, l.position(), unfit})
		task := l.task()
		preview.row(l.position(), shortTime(l.failedAt()), printable(task.GetJobId()), printable(task.GetResourceId()), printable(l.value.GetFailureCode()))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(o.filter.unmatchedPositions(s.letters)) > 0 {
		return nil, fmt.Errorf("%s: no dead letter there, or not %s", strings.Join(o.filter.unmatchedPositions(s.letters), ", "), o.filter.state)
	}
	if o.dryRun || len(s.letters) == 0 {
		return nil, a.printPreview(preview, verb, o.dryRun)
	}
	if !o.yes {
		if err := a.confirm(ctx, fmt.Sprintf("%s %s?", verb, plural(len(s.letters), "dead letter"))); err != nil {
			return nil, err
		}
	}
	server, err := a.newAdmin(cluster)
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.Close() }()
	if err := s.marks.create(ctx, server); err != nil {
		return nil, interruptedOr(ctx, err)
	}
	s.producer, err = producer.New(cluster.Iggy, cluster.Producer, producer.WithLogger(a.logger()))
	if err != nil {
		return nil, err
	}
	if err := s.producer.Start(ctx); err != nil {
		return nil, interruptedOr(ctx, err)
	}
	return s, nil
}

// printPreview prints the selected dead letters, or that there is none.
func (a *app) printPreview(t table, verb string, dryRun bool) error {
	if a.json() {
		positions := []string{}
		for _, row := range t.rows {
			positions = append(positions, row[0].text)
		}
		return json.NewEncoder(a.out).Encode(map[string]any{"dry_run": dryRun, "positions": positions})
	}
	if len(t.rows) > 0 {
		if err := t.print(a.out, a.streams.Out); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("would %s %s", verb, plural(len(t.rows), "dead letter"))
	if len(t.rows) == 0 {
		text = "there is no dead letter to " + verb
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}
