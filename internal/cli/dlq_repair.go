package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// repairOptions are the flags of the commands that change letters.
type repairOptions struct {
	filter      letterFilter
	yes, dryRun bool
	// undecoded is for replay: also what could not be decoded.
	undecoded bool
}

func (o *repairOptions) flags(c *cobra.Command, state string, states ...string) {
	o.filter.flags(c, state, states...)
	c.Flags().BoolVar(&o.filter.all, "all", false, "all of them, without a filter")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be done only")
}

// chosenLetter is a letter that something is to be done with.
type chosenLetter struct {
	key, position string
	unfit         string
}

// missing are the positions at which nothing was chosen.
func (f *letterFilter) missing(chosen []chosenLetter) []string {
	return slices.DeleteFunc(slices.Clone(f.positions), func(p string) bool {
		return slices.ContainsFunc(chosen, func(l chosenLetter) bool { return l.position == p })
	})
}

// repair is what commands need that change letters.
type repair struct {
	marks   *marks
	chosen  []chosenLetter
	sender  *producer.Producer
	cluster config.Cluster
}

// close ends the sending; every message has its outcome then.
func (r *repair) close(ctx context.Context) {
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	_ = r.sender.Stop(stop)
}

// prepare chooses the letters, says which, and asks. It returns nil when there
// is nothing to do.
func (a *app) prepare(ctx context.Context, o repairOptions, verb string, states []string) (*repair, error) {
	if err := o.filter.parse(time.Now(), states); err != nil {
		return nil, err
	}
	if o.filter.narrows() == o.filter.all {
		return nil, usagef("say which dead letters to %s: by position, by --job-id, --code, --since or --until, or --all", verb)
	}
	cluster, err := a.load()
	if err != nil {
		return nil, err
	}
	r := &repair{cluster: cluster}
	if r.marks, err = a.readMarks(ctx, cluster); err != nil {
		return nil, err
	}
	preview := table{header: []string{"position", "failed at", "job", "resource", "code"}}
	err = a.eachLetter(ctx, cluster, r.marks, o.filter, func(l letter, _ letterState) error {
		unfit := ""
		if verb != "drop" {
			unfit = l.unfit(o.undecoded)
		}
		r.chosen = append(r.chosen, chosenLetter{l.key, l.position(), unfit})
		task := l.task.GetTask()
		preview.row(l.position(), shortTime(l.failedAt()), printable(task.GetJobId()), printable(task.GetResourceId()), printable(l.task.GetFailureCode()))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(o.filter.missing(r.chosen)) > 0 {
		return nil, fmt.Errorf("%s: no dead letter there, or not %s", strings.Join(o.filter.missing(r.chosen), ", "), o.filter.state)
	}
	if o.dryRun || len(r.chosen) == 0 {
		return nil, a.printPreview(preview, verb, o.dryRun)
	}
	if !o.yes {
		if err := a.confirm(ctx, fmt.Sprintf("%s %s?", verb, plural(len(r.chosen), "dead letter"))); err != nil {
			return nil, err
		}
	}
	server, err := a.admin(cluster)
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.Close() }()
	if err := r.marks.create(ctx, server); err != nil {
		return nil, cause(ctx, err)
	}
	opts := []producer.Option{producer.WithLogger(a.logger())}
	if !o.undecoded { // those may be compressed already
		opts = append(opts, jobs.Compression(cluster.Topics)...)
	}
	r.sender, err = producer.New(cluster.Iggy, cluster.Producer, opts...)
	if err != nil {
		return nil, err
	}
	if err := r.sender.Start(ctx); err != nil {
		return nil, cause(ctx, err)
	}
	return r, nil
}

// printPreview says what would be done, or that nothing is to be done.
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
