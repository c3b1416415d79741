package group

import (
	"context"

	"go.uber.org/zap"
)

// base is what the parts of a member share. It does not change.
type base struct {
	cfg      Config
	deps     Dependencies
	log      *zap.Logger
	queue    *queue
	report   *report
	requests *requests
}

// member is the state of a machine and its parts. Only the loop uses it.
type member struct {
	*base
	state State
	// visit counts the states that were entered. The requests of a state end when it is left, and
	// their answers are dropped.
	visit   uint64
	step    context.Context
	endStep context.CancelFunc
	clock   schedule

	session      sessions
	joining      joining
	groups       groups
	probe        probe
	rebalance    rebalance
	stopping     stopping
	assignment   assignment
	backoffs     backoffs
	preparations preparations
	seeks        seeks
	verify       verification
}

func newMember(ctx context.Context, b *base) *member {
	m := &member{base: b, visit: 1, session: sessions{root: ctx}}
	m.assignment = assignment{base: b, partitions: map[uint32]*partition{}, paused: map[uint32]bool{}, busy: map[uint32]bool{}}
	m.backoffs = backoffs{base: b, byPartition: map[uint32]*retries{}}
	m.preparations = preparations{a: &m.assignment, backoffs: &m.backoffs}
	m.seeks = seeks{a: &m.assignment}
	m.verify = verification{a: &m.assignment, backoffs: &m.backoffs, needed: map[uint32]need{}}
	m.rebalance = rebalance{base: b}
	m.step, m.endStep = context.WithCancel(ctx)
	return m
}

// handle handles an event as the table says.
func (m *member) handle(e event) {
	if e.answer {
		m.requests.open--
	}
	if e.visit != 0 && e.visit != m.visit {
		if c, ok := e.value.(Connection); ok {
			m.rebalance.transient = c
			m.rebalance.stopTransient()
		}
		return
	}
	t := transitions.find(m.state, e.kind)
	switch {
	case t.do != nil:
		m.enter(t.do(m, e), t.to)
	case t.impossible != "":
		m.log.DPanic("impossible event", zap.Stringer("state", m.state), zap.Stringer("event", e.kind), zap.String("reason", t.impossible))
	}
}

// act does what is due in the state, and in those to which that leads.
func (m *member) act() {
	for m.state != Ended {
		before := m.visit
		m.clock = schedule{}
		m.backoffs.resetStable(m.assignment.partitions, &m.clock)
		if m.state.joined() && !m.state.stopping() {
			m.seeks.startDue()
		}
		if a := activities[m.state]; a.do != nil {
			m.enter(a.do(m), a.to)
		}
		if m.visit == before {
			return
		}
	}
}

// enter changes the state, if s is another one. It is the only place that does.
func (m *member) enter(s State, allowed states) {
	if s == m.state {
		return
	}
	if !allowed.has(s) {
		m.log.DPanic("impossible transition", zap.Stringer("from", m.state), zap.Stringer("to", s))
	}
	m.log.Debug("state changed", zap.Stringer("from", m.state), zap.Stringer("to", s))
	m.state = s
	m.visit++
	m.endStep()
	m.step, m.endStep = context.WithCancel(m.session.scope())
	m.rebalance.reads = memberReads{count: m.rebalance.reads.count}
	if begin := activities[s].begin; begin != nil {
		begin(m)
	}
}

// request makes a request of the present state. Its answer is dropped once that state was left.
func (m *member) request(do func(ctx context.Context) event) {
	visit := m.visit
	m.requests.run(m.step, func(ctx context.Context) event {
		e := do(ctx)
		e.visit = visit
		return e
	})
}

func (m *member) server() server { return server{m.session.current, m.cfg.Consumer} }
