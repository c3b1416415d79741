package group

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
)

const (
	// ticksPerProbe is how often per probe interval a look is taken whether others want a
	// rebalance: all wait for the last one to notice.
	ticksPerProbe = 3
	// maxSkipped is how many surveys in a row may find nothing changed before the partitions are
	// learned all the same.
	maxSkipped = 10
)

// probe is what an active member asks the server again and again, one request at a time: what is
// assigned to it, then whether offsets and logs are what they should be, then whether others want a
// rebalance.
type probe struct {
	next    time.Time // tick
	ticks   int
	running bool
	failed  bool // the last survey
	learned bool // the first survey was answered
	faults  [2]fault

	survey, verify, look bool // due
	full                 bool // the look is one at which this member may begin a rebalance

	seen    transport.Members // the group as it was surveyed last
	skipped int               // surveys that found it unchanged since partitions were learned
}

// fault is a kind of request that fails again and again.
type fault struct {
	cause   error // of the last one; nil: it was answered
	trouble condition
}

// The kinds of requests of a probe.
const (
	faultSurvey = iota
	faultVerify
)

var faultNames = [...]string{"learning the assigned partitions", "verifying the assigned partitions"}

// answered notes how a request of a kind went. A fault is logged when it begins, once a minute, and
// when it is over.
func (p *probe) answered(kind int, err error, log *zap.Logger) {
	f := &p.faults[kind]
	if f.cause = err; err != nil {
		if f.trouble.again() {
			log.Warn(faultNames[kind]+" failed, retrying", zap.Error(err))
		}
		return
	}
	if lasted, was := f.trouble.over(); was {
		log.Info(faultNames[kind]+" works again", zap.Duration("elapsed", lasted))
	}
}

// problems are the faults.
func (p *probe) problems() (errs []error) {
	for kind, f := range p.faults {
		if f.cause != nil {
			errs = append(errs, fmt.Errorf("%s fails: %w", faultNames[kind], f.cause))
		}
	}
	return errs
}

// tick notes what is due.
func (p *probe) tick(a *assignment) {
	full := p.ticks%ticksPerProbe == 0
	p.ticks++
	if full || p.failed || a.again {
		p.survey = true
	}
	p.verify = p.verify || full
	p.full = p.full || full
	p.look = a.cfg.Consumer.Group && a.cfg.FairAssignment
	wait := a.cfg.ProbeInterval / ticksPerProbe
	if a.cfg.Align != nil {
		wait = a.cfg.Align(wait)
	}
	p.next = time.Now().Add(wait)
}

// probeServer is what an active member does.
func probeServer(m *member) State {
	p := &m.probe
	if m.clock.due(p.next) {
		p.tick(&m.assignment)
		m.clock.due(p.next)
	}
	handOvers{&m.assignment}.due(&m.clock)
	m.takes.due(&m.clock)
	if p.running {
		return Active
	}
	doubtful := m.verify.due(&m.clock)
	switch {
	case len(doubtful) > 0:
		p.running = true
		m.ask(m.verify.request(doubtful, true))
	case p.survey:
		p.running, p.survey = true, false
		m.ask(askSurvey(m))
	case m.takes.running:
		// What follows is for all partitions.
	case p.verify && len(m.assignment.in(PartitionActive)) > 0:
		p.running, p.verify = true, false
		m.ask(m.verify.request(m.verify.active(), false))
	case p.look && m.rebalance.mayLook(&m.clock):
		p.running, p.look = true, false
		m.look(false, false)
	}
	return Active
}

// askSurvey returns the request of a survey.
func askSurvey(m *member) func(ctx context.Context) event {
	s := survey{
		server: m.server(), known: m.assignment.epochs(), wanted: m.cfg.Partitions,
		maySkip: m.assignment.settled() && m.probe.skipped < maxSkipped, seen: m.probe.seen,
	}
	m.assignment.again = false
	return func(ctx context.Context) event {
		l, err := s.run(ctx)
		return event{kind: surveyed, err: err, value: l}
	}
}

// surveyAnswered takes over what is assigned.
func surveyAnswered(m *member, e event) State {
	p, l := &m.probe, e.value.(learned)
	p.running, p.failed = false, e.err != nil
	if !protocol.IsNotMember(e.err) || !m.cfg.Consumer.Group { // else the next join tells
		p.answered(faultSurvey, e.err, m.log)
	}
	if e.err != nil {
		return m.failed(e.err)
	}
	m.held()
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

// verifyAnswered has changed partitions taken again.
func verifyAnswered(m *member, e event) State {
	m.probe.running = false
	if !protocol.IsNotMember(e.err) || !m.cfg.Consumer.Group {
		m.probe.answered(faultVerify, e.err, m.log)
	}
	m.verify.answered(e)
	return m.failed(e.err)
}

// lookAnswered decides whether there is a rebalance.
func lookAnswered(m *member, e event) State {
	full := m.probe.full
	m.probe.running, m.probe.full = false, false
	return m.rebalance.decide(m, e, full)
}
