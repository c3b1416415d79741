package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/argument"
	"github.com/fetchbox/fetchbox-iggy/internal/retry"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Provision creates the streams, topics and groups of spec that are missing, as Admin.Provision
// does, on a connection of its own. It waits for the server within the start timeout. A service
// without Fx calls it before it starts what uses them:
//
//	_, err := admin.Provision(ctx, cfg.Iggy, admin.Spec{admin.Of(Orders, billing.Groups()...)})
func Provision(ctx context.Context, cfg config.Iggy, spec Spec, opts ...Option) (report Report, err error) {
	a, err := New(cfg, opts...)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if err := argument.Context(ctx); err != nil {
		return Report{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.StartTimeout, fmt.Errorf("not done within the start timeout of %s", cfg.StartTimeout))
	defer cancel()
	err = retry.New(cfg.Reconnect, retry.If(iggyerr.IsRetryable)).Do(ctx, func(ctx context.Context, _ int) (err error) {
		report, err = a.Provision(ctx, spec)
		return err
	})
	return report, err
}

// Plan reports what Provision would do, and changes nothing.
func (a *Admin) Plan(ctx context.Context, spec Spec) (Report, error) {
	return a.provision(ctx, spec, true)
}

// Provision creates the streams, topics and groups of spec that are missing. It reports the
// differences of those that exist, and does not change them. Several services may call it
// concurrently: what another one creates meanwhile counts as existing. When everything exists, it
// needs no permission to create.
//
// When it fails, the report has what was done until then. The next call continues there.
func (a *Admin) Provision(ctx context.Context, spec Spec) (Report, error) {
	return a.provision(ctx, spec, false)
}

func (a *Admin) provision(ctx context.Context, spec Spec, dryRun bool) (Report, error) {
	spec, err := spec.merged()
	if err != nil {
		return Report{}, err
	}
	var report Report
	// Repeating it after a broken connection is safe: what was created then exists.
	err = a.do(ctx, func(ctx context.Context, s session) error {
		p := provisioner{session: s, dryRun: dryRun, created: report.createdKeys(), streams: map[string]bool{}}
		defer func() { report = p.report }()
		for _, t := range spec {
			if err := p.topic(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
	if !dryRun {
		a.logReport(report)
	}
	return report, err
}

func (a *Admin) logReport(r Report) {
	for _, s := range r.Steps {
		object := []zap.Field{zap.String("kind", string(s.Kind)), zap.String("object", s.Object)}
		switch {
		case s.Action == ActionCreate:
			if s.Detail != "" {
				object = append(object, zap.String("detail", s.Detail))
			}
			a.log.Info("created", object...)
		case len(s.Differences) > 0:
			for _, d := range s.Differences {
				object = append(object, zap.String(d.Setting, d.Have), zap.String("wanted_"+d.Setting, d.Want))
			}
			a.log.Warn("exists, but differs from the configuration; it stays as it is", object...)
		}
	}
}

// createdKeys are the keys of the objects that were created.
func (r Report) createdKeys() map[string]bool {
	all := map[string]bool{}
	for _, s := range r.Created() {
		all[s.key()] = true
	}
	return all
}

// key identifies the object of a step.
func (s Step) key() string { return string(s.Kind) + " " + s.Object }

// provisioner provisions on one connection.
type provisioner struct {
	session
	dryRun  bool
	created map[string]bool // by an earlier connection of the same call
	streams map[string]bool // the streams that were checked, by name; true when it exists
	report  Report
}

// addStep adds a step to the report.
func (p *provisioner) addStep(s Step) {
	if p.created[s.key()] {
		s.Action = ActionCreate
	}
	p.report.Steps = append(p.report.Steps, s)
}

// stream creates a missing stream, and reports whether it exists: in a dry run it may not.
func (p *provisioner) stream(ctx context.Context, name string) (bool, error) {
	if exists, seen := p.streams[name]; seen {
		return exists, nil
	}
	var details *iggcon.StreamDetails
	err := p.call(ctx, "read stream", name, func(c *tcp.IggyTcpClient) (err error) {
		details, err = c.GetStream(identifier(name))
		return err
	})
	action := ActionKeep
	if errors.Is(err, iggyerr.ErrNotFound) {
		action, err = p.create(ctx, "create stream", name, iggyerr.StatusStreamExists, func(c *tcp.IggyTcpClient) error {
			_, err := c.CreateStream(name)
			return err
		})
	}
	if err != nil {
		return false, err
	}
	p.addStep(Step{Kind: KindStream, Object: name, Action: action})
	p.streams[name] = details != nil || !p.dryRun
	return p.streams[name], nil
}

// topic creates a missing topic and its missing groups.
func (p *provisioner) topic(ctx context.Context, want TopicSpec) error {
	exists, err := p.stream(ctx, want.Stream)
	if err != nil {
		return err
	}
	if exists {
		exists, err = p.existingTopic(ctx, want)
		if err != nil {
			return err
		}
	}
	if !exists {
		created := want.Settings
		action, err := p.create(ctx, "create topic", want.String(), iggyerr.StatusTopicExists, func(c *tcp.IggyTcpClient) error {
			details, err := c.CreateTopic(identifier(want.Stream), want.Name, want.Partitions, iggcon.CompressionAlgorithmNone,
				expiry(want.Retention), want.MaxSize, nil)
			if err == nil && details != nil {
				created.Retention = retention(details.MessageExpiry) // 0 is the server's default, which it resolves
			}
			return err
		})
		if err != nil {
			return err
		}
		if action == ActionKeep { // another service has created it, perhaps with other settings
			if _, err = p.existingTopic(ctx, want); err != nil {
				return err
			}
		} else {
			p.addStep(Step{Kind: KindTopic, Object: want.String(), Action: action, Detail: describeSettings(created)})
		}
		exists = !p.dryRun
	}
	return p.groups(ctx, want, exists)
}

// existingTopic adds the step of a topic that exists. It reports false when it does not exist.
func (p *provisioner) existingTopic(ctx context.Context, want TopicSpec) (bool, error) {
	have, err := p.topicWithPartitions(ctx, want)
	if errors.Is(err, iggyerr.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	p.addStep(Step{Kind: KindTopic, Object: want.String(), Action: ActionKeep, Detail: describeSettings(want.Settings), Differences: differences(want.Settings, have)})
	return true, nil
}

// topicWithPartitions reads a topic, and again while another service creates it.
func (p *provisioner) topicWithPartitions(ctx context.Context, want TopicSpec) (have Topic, err error) {
	for range transport.PartitionReads(ctx) {
		if have, _, err = p.session.topic(ctx, want.Stream, want.Name); err != nil || have.Partitions > 0 {
			return have, err
		}
	}
	if ctx.Err() != nil {
		return have, fmt.Errorf("admin: waiting for the partitions of %s: %w", want, context.Cause(ctx))
	}
	return have, nil
}

// groups creates the missing groups of a topic.
func (p *provisioner) groups(ctx context.Context, want TopicSpec, topicExists bool) error {
	if len(want.Groups) == 0 {
		return nil
	}
	var have []GroupInfo
	if topicExists {
		var err error
		if have, err = p.session.groups(ctx, want.Stream, want.Name); err != nil {
			return err
		}
	}
	for _, name := range want.Groups {
		g := Group{Stream: want.Stream, Topic: want.Name, Name: name}
		action := ActionKeep
		if !slices.ContainsFunc(have, func(i GroupInfo) bool { return i.Name == name }) {
			var err error
			action, err = p.create(ctx, "create group", g.String(), iggyerr.StatusGroupExists, func(c *tcp.IggyTcpClient) error {
				_, err := c.CreateConsumerGroup(identifier(g.Stream), identifier(g.Topic), name)
				return err
			})
			if err != nil {
				return err
			}
		}
		p.addStep(Step{Kind: KindGroup, Object: g.String(), Action: action})
	}
	return nil
}

// create sends the request that creates an object, except in a dry run. It returns ActionKeep when
// the object exists by now.
func (p *provisioner) create(ctx context.Context, op, object string, exists iggyerr.Status, call func(*tcp.IggyTcpClient) error) (Action, error) {
	if p.dryRun {
		return ActionCreate, nil
	}
	err := p.call(ctx, op, object, call)
	var status *iggyerr.StatusError
	if errors.As(err, &status) && status.Status == exists {
		return ActionKeep, nil
	}
	return ActionCreate, err
}

// differences compares the settings of a topic, except for those that are left to the server.
func differences(want topic.Settings, have Topic) []Difference {
	var all []Difference
	if want.Partitions != have.Partitions {
		all = append(all, Difference{"partitions", strconv.FormatUint(uint64(want.Partitions), 10), strconv.FormatUint(uint64(have.Partitions), 10)})
	}
	if want.Retention != 0 && expiry(want.Retention) != expiry(have.Retention) {
		all = append(all, Difference{"retention", retentionText(want.Retention), retentionText(have.Retention)})
	}
	if want.MaxSize != 0 && want.MaxSize != have.MaxSize {
		all = append(all, Difference{"max_size", sizeText(want.MaxSize), sizeText(have.MaxSize)})
	}
	return all
}

// describeSettings describes the settings with which a topic is created.
func describeSettings(s topic.Settings) string {
	partitions := "1 partition"
	if s.Partitions != 1 {
		partitions = fmt.Sprintf("%d partitions", s.Partitions)
	}
	retention, size := "the server's retention", ""
	if s.Retention != 0 {
		retention = "retention " + retentionText(s.Retention)
	}
	if s.MaxSize != 0 {
		size = ", at most " + sizeText(s.MaxSize)
	}
	return partitions + ", " + retention + size
}

func retentionText(d time.Duration) string {
	if d == topic.RetentionForever {
		return "for ever"
	}
	return config.Retention(d).String()
}

func sizeText(size uint64) string {
	if size == 0 {
		return "unlimited"
	}
	return config.Bytes(size).String()
}
