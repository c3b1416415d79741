package group

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// rebalance has the partitions shared evenly, which the server does not do: a member that joins a
// group is given one partition and no more (measured on Iggy 0.8.0). A leave has all partitions
// assigned anew, evenly, but takes them from members in the middle of their work. So one member
// announces a rebalance by joining the coordination group; the others see it, drain, commit, and
// join it, too. When all have, a transient member joins and leaves the consumer group, and everyone
// goes on.
//
// Who the coordinator is, is not agreed upon but read from the server: it is the owner of partition
// 0 in the coordination group. A participant that finds itself the owner knows that there is no
// coordinator any more, and goes on.
type rebalance struct {
	*base
	since time.Time     // shares have been uneven since
	pause time.Duration // before that is mended

	absent      condition // the coordination group does not exist
	absentUntil time.Time // it is not looked for before
	restUntil   time.Time // and not after a rebalance either: the others need a moment to leave it
	// stale members of the coordination group hang: nobody waits for that many again until ignored
	// has passed.
	stale   int
	ignored time.Time

	began     time.Time // as coordinator
	deadline  time.Time // for waiting for the others
	most      int       // members of the coordination group that were seen in this rebalance
	retry     time.Time // of a commit that failed
	err       error
	transient Connection
	looks     looks
}

// looks are repeated questions for the members of the groups, one at a time.
type looks struct {
	running bool
	next    time.Time
	count   int
}

// look is an answer to one.
type look struct {
	members, announced int // of the consumer group and of the coordination group
	coordinator        bool
}

const (
	lookInterval = 10 * time.Millisecond
	// looksAfterRebalance is how many looks a member waits after a rebalance before it joins
	// another one. Without that, members that leave the coordination group at different times could
	// take each other for one that announces a rebalance, without end.
	looksAfterRebalance = 10
	// looksPerElection is how many looks there are between two that ask for the coordinator.
	looksPerElection = 5

	// In multiples of RebalanceAfter: between looks for a coordination group that does not exist,
	// and for how long stale members are ignored.
	absentPause = 10
	stalePause  = 20

	commitRetry   = 50 * time.Millisecond
	transientStop = time.Second
)

// reset forgets what was known under another membership.
func (r *rebalance) reset() { *r = rebalance{base: r.base, absent: r.absent} }

// look asks for the members of the coordination group, and for more if that is wanted, unless the
// last look was just now.
func (m *member) look(members, coordinator bool) {
	l := &m.rebalance.looks
	if l.running || !m.clock.due(l.next) {
		return
	}
	l.running = true
	l.count++
	server, main, coordination := m.server(), m.cfg.Consumer.Name, m.cfg.CoordinationGroup
	m.ask(func(ctx context.Context) event {
		var got look
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
		return event{kind: looked, err: err, value: got}
	})
}

// answered takes an answer to a look. When it failed, the rebalance goes on without it.
func (r *rebalance) answered(e event) look {
	r.looks.running, r.looks.next = false, time.Now().Add(lookInterval)
	if e.err != nil {
		r.err = errors.Join(r.err, e.err)
	}
	return e.value.(look)
}

// mayLook tells whether an active member may look now.
func (r *rebalance) mayLook(clock *schedule) bool {
	return !r.looks.running && clock.due(r.looks.next) && clock.due(r.absentUntil) && clock.due(r.restUntil)
}

// decide joins a rebalance that was announced, and begins one when shares have been uneven for too
// long.
func (r *rebalance) decide(m *member, e event, full bool) State {
	l := r.answered(e)
	r.err = nil
	if errors.Is(e.err, iggyerr.ErrNotFound) {
		if r.absent.since.IsZero() {
			r.log.Warn("coordination group does not exist, no fair assignment", zap.String("coordination_group", r.cfg.CoordinationGroup))
		}
		r.absent.again()
		r.absentUntil = time.Now().Add(absentPause * r.cfg.RebalanceAfter)
		return Active
	}
	if e.err != nil {
		r.report.note(e.err)
		return Active // whether this is a member, the next survey tells
	}
	if _, was := r.absent.over(); was {
		r.log.Info("coordination group exists, fair assignment", zap.String("coordination_group", r.cfg.CoordinationGroup))
	}
	if l.announced > 0 && (l.announced > r.stale || time.Now().After(r.ignored)) {
		r.participate(l.announced)
		return ParticipantDraining
	}
	if full && r.overdue(m) {
		r.since = time.Time{}
		return Electing
	}
	return Active
}

// overdue tells whether shares have been uneven for too long, and this member has the largest.
func (r *rebalance) overdue(m *member) bool {
	largest, uneven := sharesOf(m.probe.seen)
	switch {
	case !uneven:
		r.since = time.Time{}
		return false
	case r.since.IsZero():
		r.since = time.Now()
		// Not all at once, though it would do no harm.
		r.pause = r.cfg.RebalanceAfter + rand.N(r.cfg.RebalanceAfter/4+time.Millisecond)
	}
	return time.Since(r.since) >= r.pause && len(m.assignment.in()) == largest && len(m.assignment.in(PartitionActive)) == largest
}

// participate begins a rebalance that someone else announced.
func (r *rebalance) participate(announced int) {
	r.most = announced
	r.deadline = time.Now().Add(2*r.cfg.RebalanceGrace + time.Second)
}

// disconnect ends the transient member.
func (r *rebalance) disconnect() {
	c := r.transient
	if r.transient = nil; c == nil {
		return
	}
	r.requests.apart(func() {
		ctx, cancel := context.WithTimeout(context.Background(), transientStop)
		defer cancel()
		_ = c.Stop(ctx)
	})
}

// elect joins the coordination group and asks who the coordinator is.
func elect(m *member) {
	m.rebalance.err, m.rebalance.began = nil, time.Time{}
	server, coordination := m.server(), m.cfg.CoordinationGroup
	m.groups.coordination = true
	m.ask(m.groups.inOrder(func(ctx context.Context) event {
		err := server.join(ctx, coordination)
		coordinator := false
		if err == nil {
			coordinator, err = server.owns(ctx, coordination, 0)
		}
		return event{kind: elected, err: err, value: coordinator}
	}))
}

func electionAnswered(m *member, e event) State {
	switch {
	case e.err != nil:
		m.rebalance.err = e.err
		return Resuming
	case e.value.(bool):
		return Dialling
	}
	// Someone else was first: what it does for itself it does for all.
	m.rebalance.participate(1)
	return ParticipantDraining
}

// dial connects the transient member, before anyone waits for it.
func dial(m *member) {
	m.rebalance.began = time.Now()
	m.log.Info("assignment is uneven, rebalancing")
	connect, grace := m.deps.Dial, m.cfg.RebalanceGrace
	m.ask(func(ctx context.Context) event {
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
	return Gathering
}

// gather waits until all but one member have announced that they are drained, this one included,
// which works on until then.
func gather(m *member) State {
	if m.clock.due(m.rebalance.deadline) {
		return CoordinatorDraining
	}
	m.look(true, false)
	return Gathering
}

func gatherAnswered(m *member, e event) State {
	if l := m.rebalance.answered(e); e.err != nil || l.announced >= l.members-1 {
		return CoordinatorDraining
	}
	return Gathering
}

// drainAll drains all partitions until startAll.
func drainAll(m *member) { m.assignment.deliver(false) }

// drainCoordinator waits until nothing is with the application of this member, too.
func drainCoordinator(m *member) State {
	if m.assignment.drained() || m.clock.due(m.rebalance.deadline) {
		return CoordinatorCommitting
	}
	return CoordinatorDraining
}

// commitCoordinator commits what is acknowledged, also when the time for draining is over.
func commitCoordinator(m *member) {
	commit, bound := m.assignment.commitAll(), max(time.Until(m.rebalance.deadline), time.Second)
	m.ask(func(ctx context.Context) event {
		ctx, cancel := context.WithTimeout(ctx, bound)
		defer cancel()
		return commit(ctx)
	})
}

func coordinatorCommitted(m *member, e event) State {
	if e.err != nil {
		m.rebalance.err = e.err
	}
	return Assembling
}

// assemble waits until all members have announced that they are drained.
func assemble(m *member) State {
	if m.clock.due(m.rebalance.deadline) {
		return Redistributing
	}
	m.look(true, false)
	return Assembling
}

func assembleAnswered(m *member, e event) State {
	if l := m.rebalance.answered(e); e.err != nil || l.announced >= l.members {
		return Redistributing
	}
	return Assembling
}

// redistribute has the transient member join and leave the group, if shares are uneven still. When
// the leave gets lost, the end of its connection does the same.
func redistribute(m *member) {
	own, main := m.server(), m.cfg.Consumer.Name
	transient := server{m.rebalance.transient, m.cfg.Consumer}
	m.ask(func(ctx context.Context) event {
		members, err := own.members(ctx, main)
		if _, uneven := sharesOf(members); err != nil || !uneven {
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

// drainParticipant waits until nothing is with the application, or until the others go on.
func drainParticipant(m *member) State {
	r := &m.rebalance
	switch {
	case m.clock.due(r.deadline):
		return r.giveUp(m)
	case m.assignment.drained() && m.clock.due(r.retry):
		return ParticipantCommitting
	}
	m.look(false, false)
	return ParticipantDraining
}

// participantAnswered goes on when the coordinator is done: the members of the coordination group
// become fewer, only this one is left, or it is first.
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

func commitAll(m *member) { m.ask(m.assignment.commitAll()) }

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

// announce tells the others that this member is drained.
func announce(m *member) {
	server, coordination := m.server(), m.cfg.CoordinationGroup
	m.groups.coordination = true
	m.ask(m.groups.inOrder(func(ctx context.Context) event {
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
	m.look(false, r.looks.count%looksPerElection == looksPerElection-1)
	return WaitingForCoordinator
}

// giveUp goes on without a coordinator that does nothing, and without waiting for it again soon.
func (r *rebalance) giveUp(m *member) State {
	r.stale = r.most
	if m.groups.coordination {
		r.stale--
	}
	r.ignored = time.Now().Add(stalePause * r.cfg.RebalanceAfter)
	r.log.Warn("member gave notice and does nothing, continuing", zap.Int("count", r.stale))
	return Resuming
}

// resume leaves the coordination group and learns what is assigned now.
func resume(m *member) {
	m.rebalance.disconnect()
	leave := m.leaveCoordination()
	s := survey{server: m.server(), known: m.assignment.epochs()}
	m.ask(m.groups.inOrder(func(ctx context.Context) event {
		left := leave(ctx)
		l, err := s.learn(ctx)
		return event{kind: resumed, err: err, value: answerOfResume{left, l}}
	}))
}

// answerOfResume is what is assigned after a rebalance, and whether the coordination group was
// left.
type answerOfResume struct {
	left error
	learned
}

func resumeAnswered(m *member, e event) State {
	r, answer := &m.rebalance, e.value.(answerOfResume)
	r.restUntil = time.Now().Add(looksAfterRebalance * lookInterval)
	if answer.left == nil {
		m.groups.coordination = false
	}
	m.assignment.again = true // the group is as it was never seen before
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

// startAll goes on with all partitions that the server is not about to move.
func startAll(m *member) { m.assignment.deliver(true) }
