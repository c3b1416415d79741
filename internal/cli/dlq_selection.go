package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/producer"
)

// selectionOptions are the flags of the commands that change dead letters.
type selectionOptions struct {
	filter      deadLetterFilter
	yes, dryRun bool
	// undecoded selects the messages that could not be decoded, too. Only replay has this flag.
	undecoded bool
	// ignorePartition has messages go to another partition than before. Only replay has this flag.
	ignorePartition bool
}

// addFlags adds the flags. state is the default of --state, states are the accepted ones.
func (o *selectionOptions) addFlags(c *cobra.Command, state string, states ...string) {
	o.filter.addFlags(c, state, states...)
	c.Flags().BoolVar(&o.filter.all, "all", false, "all dead letters, without a filter")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "print what would be done, and do nothing")
}

// selectedLetter is a dead letter that the command changes.
type selectedLetter struct {
	key, position string
	unfit         string // why it can't be replayed, empty when it can
}

// selection is the dead letters that a command changes, and what it needs to change them.
type selection struct {
	*deadLetters
	selected []selectedLetter
	producer *producer.Producer
}

// close stops the producer.
func (s *selection) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	_ = s.producer.Stop(ctx)
}

// selectLetters selects the dead letters, and prints a preview or asks for confirmation. It returns
// nil when there is nothing to do.
func (a *app) selectLetters(ctx context.Context, name string, o selectionOptions, verb string, states []string) (*selection, error) {
	if err := o.filter.parse(time.Now(), states); err != nil {
		return nil, err
	}
	if o.filter.hasCriteria() == o.filter.all {
		return nil, usagef("select the dead letters to %s: by position, by --job-id, --code, --filter, --since or --until, or --all", verb)
	}
	letters, err := a.openDeadLetters(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &selection{deadLetters: letters}
	preview := table{header: letterColumns()}
	err = s.eachWithProgress(ctx, o.filter, func(l deadLetter, _ deadLetterState) error {
		unfit := ""
		if verb != "drop" {
			unfit = l.unfit(o.undecoded)
		}
		s.selected = append(s.selected, selectedLetter{l.key, l.position(), unfit})
		l.row(&preview)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.reportOthers()
	if missing := o.filter.unmatchedPositions(s.selected); len(missing) > 0 {
		return nil, fmt.Errorf("%s: no dead letter there, or not %s", strings.Join(missing, ", "), o.filter.state)
	}
	if o.dryRun || len(s.selected) == 0 {
		preview.dropEmpty()
		return nil, a.printPreview(preview, verb, o.dryRun)
	}
	if !o.yes {
		if err := a.confirm(ctx, fmt.Sprintf("%s %s?", verb, plural(len(s.selected), "dead letter"))); err != nil {
			return nil, err
		}
	}
	if err := s.start(ctx); err != nil {
		return nil, interruptedOr(ctx, err)
	}
	return s, nil
}

// start creates the topic of marks, and starts the producer.
func (s *selection) start(ctx context.Context) error {
	server, err := s.app.newAdmin(s.cluster)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	if err := s.marks.create(ctx, server, s.topic); err != nil {
		return err
	}
	s.producer, err = producer.New(s.cluster.Iggy, s.cluster.Producer, producer.WithLogger(s.app.logger()))
	if err != nil {
		return err
	}
	return s.producer.Start(ctx)
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
