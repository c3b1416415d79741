package group

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fault"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// rebalance has the partitions shared fairly, which the server does not do: a member that joins a
// group is assigned one partition and no more (measured on Iggy 0.8.0). When a member leaves, the
// server assigns all partitions anew, in equal shares, but also those with messages in flight. So
// one member announces a rebalance by joining the coordination group; the others notice that,
// drain, commit, and join it, too. When all have, a transient member joins and leaves the consumer
// group, and all members leave the coordination group and resume.
//
// The coordinator is the owner of partition 0 in the coordination group. A participant that is the
// owner knows that the coordinator has left, and resumes.
type rebalance struct {
	*base
	since time.Time     // since when the shares are unequal
	pause time.Duration // how long they may be unequal before a rebalance

	groupMissing fault.Fault // the coordination group does not exist
	missingUntil time.Time   // the coordination group is not read before
	notBefore    time.Time   // after a rebalance it is not read before: the others need a moment to leave it
	// stale is how many members of the coordination group do nothing: no member waits for that many
	// again before ignored.
	stale   int
	ignored time.Time

	began     time.Time // as coordinator
	deadline  time.Time // the others are not waited for after this
	most      int       // the largest size of the coordination group in this rebalance
	retry     time.Time // of a commit that failed
	err       error
	transient Connection
	reads     memberReads
}

// memberReads are the repeated readings of the members of the two groups, one at a time.
type memberReads struct {
	running bool
	next    time.Time
	count   int
}

// memberCounts is what one reading returned.
type memberCounts struct {
	members, announced int // of the consumer group and of the coordination group
	coordinator        bool
}

const (
	membersInterval = 10 * time.Millisecond
	// readsAfterRebalance is the number of intervals after a rebalance in which a member does not read
	// the coordination group. Without that, members that leave the coordination group at different
	// times could each mistake the others for a member that announces a rebalance, without end.
	readsAfterRebalance = 10
	// readsPerCoordinator is the number of readings of which one also reads who the coordinator is.
	readsPerCoordinator = 5

	// These are in multiples of RebalanceAfter: for how long a coordination group that does not exist
	// is not read, and for how long stale members are ignored.
	missingPause = 10
	stalePause   = 20

	commitRetry   = 50 * time.Millisecond
	transientStop = time.Second
)

// reset forgets what belongs to another membership.
func (r *rebalance) reset() { *r = rebalance{base: r.base, groupMissing: r.groupMissing} }

// readMembers reads how many members the coordination group has. With members it also reads how
// many the consumer group has, and with coordinator whether this member is the coordinator. It does
// nothing while another reading runs, and within membersInterval of the last one.
func (m *member) readMembers(members, coordinator bool) {
	l := &m.rebalance.reads
	if l.running || !m.clock.due(l.next) {
		return
	}
	l.running = true
	l.count++
	server, main, coordination := m.server(), m.cfg.Consumer.Name, m.cfg.CoordinationGroup
	m.request(func(ctx context.Context) event {
		var got memberCounts
		var err error
		if members {
			got.members, err = server.size(ctx, main)
		}
		if err == nil {
			got.announced, err = server.size(ctx, coordination)
		}
		if err == nil && coordinator {
			got.coordinator, err = server.owns(ctx, coordination, 0)
		}
		return event{kind: membersRead, err: err, value: got}
	})
}

// answered returns the answer of a reading. When that failed, the rebalance continues without it.
func (r *rebalance) answered(e event) memberCounts {
	r.reads.running, r.reads.next = false, time.Now().Add(membersInterval)
	if e.err != nil {
		r.err = errors.Join(r.err, e.err)
	}
	return e.value.(memberCounts)
}

// mayReadMembers reports whether an active member may read the coordination group now.
func (r *rebalance) mayReadMembers(clock *schedule) bool {
	return !r.reads.running && clock.due(r.reads.next) && clock.due(r.missingUntil) && clock.due(r.notBefore)
}

// decide takes part in a rebalance that was announced, or begins one when the shares have been
// unequal for too long.
func (r *rebalance) decide(m *member, e event, full bool) State {
	l := r.answered(e)
	r.err = nil
	if errors.Is(e.err, iggyerr.ErrNotFound) {
		if !r.groupMissing.Active() {
			r.log.Warn("coordination group does not exist, no fair assignment", zap.String("coordination_group", r.cfg.CoordinationGroup))
		}
		r.groupMissing.Occurred(e.err)
		r.missingUntil = time.Now().Add(missingPause * r.cfg.RebalanceAfter)
		return Active
	}
	if e.err != nil {
		r.report.note(e.err)
		return Active // the next survey shows whether this is still a member
	}
	if _, was := r.groupMissing.End(); was {
		r.log.Info("coordination group exists, fair assignment", zap.String("coordination_group", r.cfg.CoordinationGroup))
	}
	if l.announced > 0 && (l.announced > r.stale || time.Now().After(r.ignored)) {
		r.participate(l.announced)
		return ParticipantDraining
	}
	if full && r.overdue(m) {
		r.since = time.Time{}
		return FindingCoordinator
	}
	return Active
}

// overdue reports whether the shares have been unequal for too long, and this member has the
// largest.
func (r *rebalance) overdue(m *member) bool {
	largest, unequal := sharesOf(m.probe.seen)
	switch {
	case !unequal:
		r.since = time.Time{}
		return false
	case r.since.IsZero():
		r.since = time.Now()
		// The jitter spares the server most rebalances that begin at the same time.
		r.pause = r.cfg.RebalanceAfter + rand.N(r.cfg.RebalanceAfter/4+time.Millisecond)
	}
	return time.Since(r.since) >= r.pause && len(m.assignment.in()) == largest && len(m.assignment.in(PartitionActive)) == largest
}

// participate begins a rebalance that another member announced.
func (r *rebalance) participate(announced int) {
	r.most = announced
	r.deadline = time.Now().Add(2*r.cfg.RebalanceGrace + time.Second)
}

// stopTransient ends the transient member.
func (r *rebalance) stopTransient() {
	c := r.transient
	if r.transient = nil; c == nil {
		return
	}
	r.requests.runDetached(func() {
		ctx, cancel := context.WithTimeout(context.Background(), transientStop)
		defer cancel()
		_ = c.Stop(ctx)
	})
}

// findCoordinator joins the coordination group and asks who the coordinator is.
func findCoordinator(m *member) {
	m.rebalance.err, m.rebalance.began = nil, time.Time{}
	server, coordination := m.server(), m.cfg.CoordinationGroup
	m.groups.coordination = true
	m.request(m.groups.inOrder(func(ctx context.Context) event {
		err := server.join(ctx, coordination)
		coordinator := false
		if err == nil {
			coordinator, err = server.owns(ctx, coordination, 0)
		}
		return event{kind: coordinatorRead, err: err, value: coordinator}
	}))
}

func coordinatorAnswered(m *member, e event) State {
	switch {
	case e.err != nil:
		m.rebalance.err = e.err
		return Resuming
	case e.value.(bool):
		return Dialling
	}
	// Another member was first, and its rebalance is for all.
	m.rebalance.participate(1)
	return ParticipantDraining
}

// dial connects the transient member, before any member has drained for it.
func dial(m *member) {
	m.rebalance.began = time.Now()
	m.log.Info("assignment is unequal, rebalancing")
	connect, grace := m.deps.Dial, m.cfg.RebalanceGrace
	m.request(func(ctx context.Context) event {
		bounded, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		c, err := connect(bounded)
		if err != nil {
			return event{kind: dialled, err: fmt.Errorf("iggy: connect the transient member: %w", err)}
		}
		return event{kind: dialled, value: c}
	})
}

func dialAnswered(m *member, e event) State {
	if e.err != nil {
		m.rebalance.err = e.err
		return Resuming
	}
	m.rebalance.transient = e.value.(Connection)
	m.rebalance.deadline = time.Now().Add(m.cfg.RebalanceGrace)
	return WaitingForParticipants
}

// waitForParticipants waits until all members but one are in the coordination group, this one
// included. This member fetches and delivers until then.
func waitForParticipants(m *member) State {
	if m.clock.due(m.rebalance.deadline) {
		return CoordinatorDraining
	}
	m.readMembers(true, false)
	return WaitingForParticipants
}

func participantsCounted(m *member, e event) State {
	if l := m.rebalance.answered(e); e.err != nil || l.announced >= l.members-1 {
		return CoordinatorDraining
	}
	return WaitingForParticipants
}

// drainAll drains all partitions until startAll.
func drainAll(m *member) { m.assignment.deliver(false) }

// drainCoordinator waits until this member is drained, too.
func drainCoordinator(m *member) State {
	if m.assignment.drained() || m.clock.due(m.rebalance.deadline) {
		return CoordinatorCommitting
	}
	return CoordinatorDraining
}

// commitCoordinator commits the acknowledged prefixes, also when the time for draining is over.
func commitCoordinator(m *member) {
	commit, bound := m.assignment.commitAll(), max(time.Until(m.rebalance.deadline), time.Second)
	m.request(func(ctx context.Context) event {
		ctx, cancel := context.WithTimeout(ctx, bound)
		defer cancel()
		return commit(ctx)
	})
}

func coordinatorCommitted(m *member, e event) State {
	if e.err != nil {
		m.rebalance.err = e.err
	}
	return WaitingForLastParticipant
}

// waitForLastParticipant waits until all members have announced that they are drained.
func waitForLastParticipant(m *member) State {
	if m.clock.due(m.rebalance.deadline) {
		return Redistributing
	}
	m.readMembers(true, false)
	return WaitingForLastParticipant
}

func lastParticipantCounted(m *member, e event) State {
	if l := m.rebalance.answered(e); e.err != nil || l.announced >= l.members {
		return Redistributing
	}
	return WaitingForLastParticipant
}

// redistribute has the transient member join and leave the group, if the shares are still unequal.
// When the leave is lost, the end of its connection has the same effect.
func redistribute(m *member) {
	own, main := m.server(), m.cfg.Consumer.Name
	transient := server{m.rebalance.transient, m.cfg.Consumer}
	m.request(func(ctx context.Context) event {
		members, err := own.members(ctx, main)
		if _, unequal := sharesOf(members); err != nil || !unequal {
			return event{kind: redistributed, err: err}
		}
		return event{kind: redistributed, err: errors.Join(transient.join(ctx, main), transient.leave(ctx, main))}
	})
}

func redistributionAnswered(m *member, e event) State {
	if e.err != nil {
		m.rebalance.err = e.err
	}
	return Resuming
}

// drainParticipant waits until this member is drained, or until the rebalance is over.
func drainParticipant(m *member) State {
	r := &m.rebalance
	switch {
	case m.clock.due(r.deadline):
		return r.giveUp(m)
	case m.assignment.drained() && m.clock.due(r.retry):
		return ParticipantCommitting
	}
	m.readMembers(false, false)
	return ParticipantDraining
}

// participantAnswered resumes when the coordinator is done: the coordination group has fewer
// members, only this one is left in it, or this one is the coordinator.
func participantAnswered(m *member, e event) State {
	r := &m.rebalance
	l, own := r.answered(e), 0
	if m.groups.coordination {
		own = 1
	}
	if e.err != nil || l.announced < r.most || l.announced <= own || l.coordinator {
		return Resuming
	}
	r.most = l.announced
	return m.state
}

func commitAll(m *member) { m.request(m.assignment.commitAll()) }

func participantCommitted(m *member, e event) State {
	switch {
	case e.err != nil:
		m.report.note(e.err)
		m.rebalance.retry = time.Now().Add(commitRetry)
		return ParticipantDraining
	case m.groups.coordination:
		return WaitingForCoordinator
	}
	return Announcing
}

// announce joins the coordination group, which tells the others that this member is drained.
func announce(m *member) {
	server, coordination := m.server(), m.cfg.CoordinationGroup
	m.groups.coordination = true
	m.request(m.groups.inOrder(func(ctx context.Context) event {
		return event{kind: announced, err: server.join(ctx, coordination)}
	}))
}

func announceAnswered(m *member, e event) State {
	if e.err != nil {
		m.rebalance.err = e.err
		return Resuming
	}
	return WaitingForCoordinator
}

// waitForCoordinator waits for the partitions to be assigned again.
func waitForCoordinator(m *member) State {
	r := &m.rebalance
	if m.clock.due(r.deadline) {
		return r.giveUp(m)
	}
	m.readMembers(false, r.reads.count%readsPerCoordinator == readsPerCoordinator-1)
	return WaitingForCoordinator
}

// giveUp resumes without a coordinator that does nothing, and does not wait for it again soon.
func (r *rebalance) giveUp(m *member) State {
	r.stale = r.most
	if m.groups.coordination {
		r.stale--
	}
	r.ignored = time.Now().Add(stalePause * r.cfg.RebalanceAfter)
	r.log.Warn("coordinator does nothing, resuming", zap.Int("count", r.stale))
	return Resuming
}

// resume leaves the coordination group and learns what is assigned now.
func resume(m *member) {
	m.rebalance.stopTransient()
	leave := m.leaveCoordination()
	s := survey{server: m.server(), known: m.assignment.epochs()}
	m.request(m.groups.inOrder(func(ctx context.Context) event {
		left := leave(ctx)
		l, err := s.learn(ctx)
		return event{kind: resumed, err: err, value: resumeAnswer{left, l}}
	}))
}

// resumeAnswer is what is assigned after a rebalance, and whether the coordination group was left.
type resumeAnswer struct {
	left error
	learned
}

func resumeAnswered(m *member, e event) State {
	r, answer := &m.rebalance, e.value.(resumeAnswer)
	r.notBefore = time.Now().Add(readsAfterRebalance * membersInterval)
	if answer.left == nil {
		m.groups.coordination = false
	}
	m.assignment.surveyNeeded = true // the shares of the group have changed
	if e.err == nil {
		m.assignment.learned(answer.learned)
	}
	err := errors.Join(r.err, answer.left, e.err)
	if !r.began.IsZero() {
		m.log.Info("rebalanced", zap.Duration("elapsed", time.Since(r.began)), zap.Int("count", len(m.assignment.in())), zap.Error(err))
	}
	if r.err, r.began = nil, (time.Time{}); err != nil {
		m.report.note(err)
	}
	if e.err != nil && protocol.IsNotMember(e.err) {
		return m.evicted(e.err)
	}
	return Active
}

// startAll starts all partitions that the server is not about to move.
func startAll(m *member) { m.assignment.deliver(true) }
