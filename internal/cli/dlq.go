package cli

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

func (a *app) dlqCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dlq",
		Short: "List, replay or drop dead letters",
		Long: `List, replay or drop the dead letters in a topic, such as shop/orders.billing.dlq.
Without a topic, the commands use FetchBox's dead letters.

A message in Iggy can't be changed, nor deleted alone. So the commands write what they
did with a dead letter to another topic: its name is that of the topic of the dead
letters with .marks appended. Each command may be repeated, and several people may work
at the same time. One failure may leave several copies of a dead letter; they count as
one.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.dlqListCommand(), a.dlqShowCommand(), a.dlqReplayCommand(), a.dlqDropCommand())
	return c
}

// positionPattern matches the position of a dead letter: partition/offset.
var positionPattern = regexp.MustCompile(`^\d+/\d+$`)

// splitLetterArgs splits arguments into the topic of the dead letters, FetchBox's without one, and
// positions.
func splitLetterArgs(args []string) (name string, positions []string) {
	if len(args) > 0 && !positionPattern.MatchString(args[0]) {
		return args[0], args[1:]
	}
	return "", args
}

// deadLetters are the dead letters of one topic, and what was done with them.
type deadLetters struct {
	app     *app
	cluster config.Cluster
	topic   topicRef
	marks   *marks
	// found and others are how many dead letters and other messages each has read.
	found, others int
}

// openDeadLetters reads the marks of a topic.
func (a *app) openDeadLetters(ctx context.Context, name string) (*deadLetters, error) {
	cluster, err := a.loadCluster()
	if err != nil {
		return nil, err
	}
	if name == "" {
		if !a.isFetchBox() {
			return nil, usagef("name the topic of the dead letters: FetchBox's is not in the configuration of --prefix %s", a.prefix)
		}
		name = jobs.DeadLetters.Section()
	}
	t, err := parseTopic(cluster.Topics, name)
	if err != nil {
		return nil, err
	}
	marks, err := a.readMarks(ctx, cluster, t)
	if err != nil {
		return nil, err
	}
	return &deadLetters{app: a, cluster: cluster, topic: t, marks: marks}, nil
}

// each calls fn for the dead letters that the filter selects, oldest first, once each. It fails when
// the job of the filter has no dead letter in any state.
func (d *deadLetters) each(ctx context.Context, f deadLetterFilter, fn func(deadLetter, deadLetterState) error) error {
	return d.read(ctx, f, nil, fn)
}

// eachWithProgress is each with a progress bar of the messages that are read.
func (d *deadLetters) eachWithProgress(ctx context.Context, f deadLetterFilter, fn func(deadLetter, deadLetterState) error) error {
	bar := newProgressBar(d.app.err, "read", -1)
	defer bar.clear()
	return d.read(ctx, f, bar, fn)
}

// read is each. bar may be nil.
func (d *deadLetters) read(
	ctx context.Context, f deadLetterFilter, bar *progressBar, fn func(deadLetter, deadLetterState) error,
) error {
	r, err := d.app.openReader(ctx, d.cluster, d.topic, readOptions{start: f.startPosition()})
	if err != nil {
		return err
	}
	defer r.close(ctx)
	d.found, d.others = 0, 0
	seen := map[string]bool{}
	jobFound := f.job == ""
	err = r.readToEnd(ctx, func(m message) error {
		bar.update(-1, d.found+d.others+1)
		l, ok := newDeadLetter(m, d.topic)
		if !ok {
			d.others++
			return nil
		}
		d.found++
		jobFound = jobFound || l.job() == f.job
		if seen[l.key] {
			return nil
		}
		seen[l.key] = true
		state := d.marks.state(l.key)
		if !f.matches(l, state) {
			return nil
		}
		return fn(l, state)
	})
	switch {
	case err != nil:
		return err
	case d.found == 0 && d.others > 0:
		return fmt.Errorf("%s has no dead letters but other messages%s", d.topic, ifAny("; there are dead letters in ", d.letterTopics(ctx, r.admin)))
	case !jobFound:
		return &noJobError{f.job}
	}
	return nil
}

// noJobError says that a job has no dead letters in any state.
type noJobError struct{ job string }

func (e *noJobError) Error() string { return fmt.Sprintf("there is no dead letter of job %q", e.job) }

// letterTopics are the topics of the dead letters of the topic's groups, as they are named by default.
func (d *deadLetters) letterTopics(ctx context.Context, server *admin.Admin) (names []string) {
	topics, _ := server.Topics(ctx, d.topic.stream) // the command has failed already
	for _, t := range topics {
		if strings.HasPrefix(t.Name, d.topic.name+".") && strings.HasSuffix(t.Name, ".dlq") {
			names = append(names, refOf(t).String())
		}
	}
	return names
}

// reportOthers prints how many messages are no dead letters.
func (d *deadLetters) reportOthers() {
	if d.others > 0 {
		fmt.Fprintf(d.app.err, "fetchbox-iggy-cli: %s in %s are no dead letters\n", plural(d.others, "message"), d.topic)
	}
}
