package group

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/fault"
	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

const (
	// ticksPerProbe is how often per probe interval the coordination group is read: in a rebalance
	// all members wait for the last one to notice it.
	ticksPerProbe = 3
	// maxSkipped is how many surveys in a row may skip learning the partitions since the group is
	// unchanged.
	maxSkipped = 10
)

// probe is the periodic requests of an active member, one at a time: the survey of what is assigned
// to it, the verification of offsets and logs, and the reading of the coordination group, which
// tells whether another member began a rebalance.
type probe struct {
	next    time.Time // tick
	ticks   int
	running bool
	failed  bool           // the last survey
	learned bool           // the first survey was answered
	faults  [2]fault.Fault // by kind of request

	survey, verify, members bool // due
	full                    bool // this member may begin a rebalance after this reading

	seen    transport.Members // the group at the last survey
	skipped int               // surveys that found it unchanged since partitions were learned
}

// The kinds of requests of a probe.
const (
	faultSurvey = iota
	faultVerify
)

var faultNames = [...]string{"learning the assigned partitions", "verifying the assigned partitions"}

// answered notes the result of a request. A fault is logged when it begins, once a minute, and
// when it is over.
func (p *probe) answered(kind int, err error, log *zap.Logger) {
	f := &p.faults[kind]
	if err != nil {
		if f.Occurred(err) {
			log.Warn(faultNames[kind]+" failed, retrying", zap.Error(err))
		}
		return
	}
	if lasted, was := f.End(); was {
		log.Info(faultNames[kind]+" works again", zap.Duration("elapsed", lasted))
	}
}

// problems returns the faults.
func (p *probe) problems() (errs []error) {
	for kind, f := range p.faults {
		if f.Active() {
			errs = append(errs, fmt.Errorf("%s fails: %w", faultNames[kind], f.Cause()))
		}
	}
	return errs
}

// tick sets what is due.
func (p *probe) tick(a *assignment) {
	full := p.ticks%ticksPerProbe == 0
	p.ticks++
	if full || p.failed || a.surveyNeeded {
		p.survey = true
	}
	p.verify = p.verify || full
	p.full = p.full || full
	if a.cfg.Consumer.Group && a.cfg.FairAssignment {
		// Nobody begins a rebalance in a group of one. The next survey notices who joins, long before
		// that one has seen unequal shares for long enough.
		alone := len(p.seen.Partitions) == 1
		p.members = p.members || full || !alone
	}
	wait := a.cfg.ProbeInterval / ticksPerProbe
	if a.cfg.Align != nil {
		wait = a.cfg.Align(wait)
	}
	p.next = time.Now().Add(wait)
}

// probeServer makes the next request that is due.
func probeServer(m *member) State {
	p := &m.probe
	if m.clock.due(p.next) {
		p.tick(&m.assignment)
		m.clock.due(p.next) // sets the timer
	}
	handOvers{&m.assignment}.startDue(&m.clock)
	m.preparations.startDue(&m.clock)
	if p.running {
		return Active
	}
	needed := m.verify.due(&m.clock)
	switch {
	case len(needed) > 0:
		p.running = true
		m.request(m.verify.request(needed, true))
	case p.survey:
		p.running, p.survey = true, false
		m.request(surveyRequest(m))
	case m.preparations.running:
		// The following requests are for all partitions.
	case p.verify && len(m.assignment.in(PartitionActive)) > 0:
		p.running, p.verify = true, false
		m.request(m.verify.request(m.verify.active(), false))
	case p.members && m.rebalance.mayReadMembers(&m.clock):
		p.running, p.members = true, false
		m.readMembers(false, false)
	}
	return Active
}

// surveyRequest returns the request of a survey.
func surveyRequest(m *member) func(ctx context.Context) event {
	s := survey{
		server: m.server(), known: m.assignment.epochs(), wanted: m.cfg.Partitions,
		maySkip: m.assignment.stable() && m.probe.skipped < maxSkipped, seen: m.probe.seen,
	}
	m.assignment.surveyNeeded = false
	return func(ctx context.Context) event {
		l, err := s.run(ctx)
		return event{kind: surveyed, err: err, value: l}
	}
}

// surveyAnswered applies what is assigned.
func surveyAnswered(m *member, e event) State {
	p, l := &m.probe, e.value.(learned)
	p.running, p.failed = false, e.err != nil
	if !protocol.IsNotMember(e.err) || !m.cfg.Consumer.Group { // else the next join tells
		p.answered(faultSurvey, e.err, m.log)
	}
	if e.err != nil {
		return m.failed(e.err)
	}
	m.confirmed()
	p.learned = true
	p.seen = l.members
	if l.unchanged {
		p.skipped++
		return Active
	}
	p.skipped = 0
	m.assignment.learned(l)
	return Active
}

// verifyAnswered has changed partitions prepared again.
func verifyAnswered(m *member, e event) State {
	m.probe.running = false
	if !protocol.IsNotMember(e.err) || !m.cfg.Consumer.Group {
		m.probe.answered(faultVerify, e.err, m.log)
	}
	m.verify.answered(e)
	return m.failed(e.err)
}

// membersAnswered decides whether there is a rebalance.
func membersAnswered(m *member, e event) State {
	full := m.probe.full
	m.probe.running, m.probe.full = false, false
	return m.rebalance.decide(m, e, full)
}
