package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// The verdicts of a check.
const (
	verdictOK      = "ok"
	verdictWarning = "warning"
	verdictFailure = "failure"
)

// finding is the result of one check.
type finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	Detail  string `json:"detail"`
	// Fix says what to do about it.
	Fix string `json:"fix,omitempty"`
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [STREAM/TOPIC]...",
		Short: "Find faults of the configuration, the connection and the server",
		Long: `Check the configuration, the address, TLS, the protocol, the login, the server's
version, the topics and their groups, and the server's settings for retention and
durability. For each fault the command says what to do. The exit code is 1 when
something can't work, and 0 after warnings.

Without arguments, the command checks FetchBox's topics, which must exist as configured;
with the --prefix of other services it then checks no topics.

` + topicHelp,
		Example:           `  fetchbox-iggy-cli doctor shop/orders`,
		ValidArgsFunction: a.completeBy(a.completeTopics),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.doctor(cmd.Context(), args) },
	}
}

func (a *app) doctor(ctx context.Context, args []string) error {
	cluster, err := a.loadCluster()
	if err != nil {
		return err
	}
	d := &diagnosis{cluster: cluster, fetchbox: len(args) == 0 && a.isFetchBox()}
	if d.fetchbox {
		d.refs = fetchboxTopics(cluster.Topics)
	}
	for _, arg := range args {
		ref, err := parseTopic(cluster.Topics, arg)
		if err != nil {
			return err
		}
		d.refs = append(d.refs, ref)
	}
	d.run(ctx, a)
	if err := interrupted(ctx); err != nil {
		return err
	}
	if err := a.printFindings(d.findings); err != nil {
		return err
	}
	for _, f := range d.findings {
		if f.Verdict == verdictFailure {
			return errReported
		}
	}
	return nil
}

func (a *app) printFindings(findings []finding) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(map[string]any{"findings": findings})
	}
	p := newPainter(a.streams.Out)
	colours := map[string]colour{verdictOK: green, verdictWarning: yellow, verdictFailure: red}
	for _, f := range findings {
		line := fmt.Sprintf("%s %s: %s\n", p.paint(colours[f.Verdict], fmt.Sprintf("%-7s", f.Verdict)), f.Check, f.Detail)
		if f.Fix != "" {
			line += "        fix: " + f.Fix + "\n"
		}
		if _, err := fmt.Fprint(a.out, line); err != nil {
			return err
		}
	}
	return nil
}

// diagnosis runs the checks in order, and collects their findings.
type diagnosis struct {
	cluster  config.Cluster
	refs     []topicRef // the topics to check
	fetchbox bool       // they are FetchBox's
	bounded  []string   // those with a retention or a maximum size
	findings []finding
}

func (d *diagnosis) ok(check, format string, args ...any) {
	d.findings = append(d.findings, finding{check, verdictOK, fmt.Sprintf(format, args...), ""})
}

func (d *diagnosis) warn(check, detail, fix string) {
	d.findings = append(d.findings, finding{check, verdictWarning, detail, fix})
}

func (d *diagnosis) fail(check string, err error, fix string) {
	d.findings = append(d.findings, finding{check, verdictFailure, strings.Join(describe(err), "; "), fix})
}

func (d *diagnosis) run(ctx context.Context, a *app) {
	leader := d.connection(ctx)
	if leader == nil {
		return
	}
	defer func() { _ = leader.Close() }()
	server, err := a.newAdmin(d.cluster)
	if err != nil {
		d.fail("administration", err, "correct the configuration")
		return
	}
	defer func() { _ = server.Close() }()
	d.version(ctx, server)
	if d.topics(ctx, server) {
		d.groups(ctx, server)
	}
	d.settings(ctx, leader)
}

// supportedVersion is the prefix of the server versions whose protocol the library speaks.
const supportedVersion = "0.8."

// version checks the server's version and its disk.
func (d *diagnosis) version(ctx context.Context, server *admin.Admin) {
	about, err := server.Server(ctx)
	var status *iggyerr.StatusError
	switch {
	case errors.As(err, &status) && status.Status == iggyerr.StatusUnauthorized:
		d.warn("version", "unknown: the user may not read the server's statistics", "grant read_servers, so that doctor can check more")
	case err != nil:
		d.fail("version", err, "this library speaks the protocol of Iggy 0.8; other versions may answer otherwise")
	case !strings.HasPrefix(about.Version, supportedVersion):
		d.warn("version", "the server is "+printable(about.Version), "run a server "+supportedVersion+"x: this library speaks its protocol")
	default:
		d.ok("version", "Iggy %s, %s", printable(about.Version), plural(int(about.Clients), "connection"))
	}
	if err == nil && about.TotalDisk > 0 && about.FreeDisk < about.TotalDisk/20 {
		d.warn("disk", fmt.Sprintf("%s free of %s", config.Bytes(about.FreeDisk), config.Bytes(about.TotalDisk)), "make room: a full disk ends in refused or lost messages")
	}
}

// topics checks that the topics exist, and those of FetchBox as configured with their groups.
func (d *diagnosis) topics(ctx context.Context, server *admin.Admin) bool {
	if d.fetchbox {
		return d.fetchboxTopics(ctx, server)
	}
	ok := true
	for _, ref := range d.refs {
		t, _, err := server.Topic(ctx, ref.stream, ref.name)
		switch {
		case errors.Is(err, iggyerr.ErrNotFound):
			d.fail("topics", fmt.Errorf("missing: %s", ref), "fetchbox-iggy-cli provision "+ref.String())
		case err != nil:
			d.fail("topics", err, "the user must be allowed to read the topic")
		default:
			d.ok("topics", "%s has %s with %s", ref, plural(int(t.Partitions), "partition"), plural(int(t.Messages), "message"))
			if t.Retention > 0 || t.MaxSize > 0 {
				d.bounded = append(d.bounded, ref.name)
			}
		}
		ok = ok && err == nil
	}
	return ok
}

func (d *diagnosis) fetchboxTopics(ctx context.Context, server *admin.Admin) bool {
	for _, ref := range d.refs {
		if t := d.cluster.Topics.Declared[ref.section]; t.Retention != config.RetentionForever || t.MaxSize > 0 {
			d.bounded = append(d.bounded, ref.name)
		}
	}
	plan, err := server.Plan(ctx, jobs.Spec(d.cluster))
	if err != nil {
		d.fail("topics", err, "the user must be allowed to read "+d.streams())
		return false
	}
	var missing, missingGroups []string
	for _, step := range plan.Created() {
		if step.Kind == admin.KindGroup {
			missingGroups = append(missingGroups, step.Object)
		} else {
			missing = append(missing, step.Object)
		}
	}
	switch {
	case len(missing) > 0:
		d.fail("topics", fmt.Errorf("missing: %s", strings.Join(append(missing, missingGroups...), ", ")),
			"fetchbox-iggy-cli provision; to check other topics: fetchbox-iggy-cli doctor STREAM/TOPIC")
	case len(missingGroups) > 0:
		// Consumers create their groups when they start, where they are permitted to.
		d.warn("topics", "missing: "+strings.Join(missingGroups, ", "), "fetchbox-iggy-cli provision, if consumers need these groups")
	}
	for _, step := range plan.Different() {
		var parts []string
		for _, difference := range step.Differences {
			parts = append(parts, difference.String())
		}
		d.warn("topics", step.Object+": "+strings.Join(parts, ", "), "change the topic with Iggy's own tools, or the configuration; nothing here changes what exists")
	}
	if len(missing)+len(missingGroups) == 0 {
		d.ok("topics", "%s in %s, with their groups", plural(len(d.refs), "topic"), d.streams())
	}
	return len(missing) == 0
}

// streams names the streams of the topics.
func (d *diagnosis) streams() string {
	var names []string
	for _, ref := range d.refs {
		if !slices.Contains(names, ref.stream) {
			names = append(names, ref.stream)
		}
	}
	if len(names) == 1 {
		return "the stream " + names[0]
	}
	return "the streams " + strings.Join(names, ", ")
}

// groups checks the offsets and the members of the groups.
func (d *diagnosis) groups(ctx context.Context, server *admin.Admin) {
	lags, err := readLags(ctx, server, d.refs, func(group string) bool { return !isCoordination(group) })
	if err != nil {
		d.fail("groups", err, "the user must be allowed to read the topics")
		return
	}
	for _, l := range lags {
		beyondEnd, unread := 0, 0
		for _, p := range l.Partitions {
			if p.BeyondEnd {
				beyondEnd++
			}
			if p.Owners == 0 && p.Lag > 0 {
				unread++
			}
		}
		if beyondEnd > 0 {
			d.warn("groups", fmt.Sprintf("%s: the committed offset is beyond the end of %s: acknowledged messages were lost, or the topic was recreated", l.Group, plural(beyondEnd, "partition")),
				fmt.Sprintf("stop its consumers, then fetchbox-iggy-cli offsets reset %s/%s --group %s --to end", l.Stream, l.Topic, l.Name))
		}
		if unread > 0 {
			d.warn("groups", fmt.Sprintf("%s: %s wait in %s that nobody reads", l.Group, plural(int(l.Total()), "message"), plural(unread, "partition")),
				"start the group's consumers")
		}
	}
}
