package group

import (
	"context"
	"fmt"
	"slices"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// seek is a command to move a partition to another position.
type seek struct {
	partition uint32
	do        func(ctx context.Context, s Session, c Claim) error
	done      chan error // of capacity 1
	// draining tells that the partition was draining when the seek began.
	draining bool
}

// seekAnswer is the seek that has ended, with the claim that it was given.
type seekAnswer struct {
	seek  *seek
	claim Claim
}

// seeks executes the commands, those of one partition one after another. None waits for a survey or
// a rebalance: a partition that was moved during a rebalance is started at its end.
type seeks struct {
	a       *assignment
	pending []*seek
}

// add adds a command, or answers it at once when the partition is not assigned.
func (s *seeks) add(k *seek) {
	if p := s.a.partitions[k.partition]; p == nil || !p.state.assigned() {
		k.done <- s.notOwner(k)
		return
	}
	s.pending = append(s.pending, k)
}

func (s *seeks) notOwner(k *seek) error {
	who := s.a.cfg.Consumer
	return fmt.Errorf("iggy: seek %s/%s/%d: %w", who.Stream, who.Topic, k.partition, iggyerr.ErrNotOwner)
}

// cancelled removes a command whose caller does not wait any more.
func (s *seeks) cancelled(k *seek) {
	s.pending = slices.DeleteFunc(s.pending, func(other *seek) bool { return other == k })
}

// refuse answers all commands that have not begun.
func (s *seeks) refuse(err error) {
	for _, k := range s.pending {
		k.done <- err
	}
	s.pending = nil
}

// startDue begins the seeks that can begin.
func (s *seeks) startDue() {
	s.pending = slices.DeleteFunc(s.pending, func(k *seek) bool {
		p := s.a.partitions[k.partition]
		switch {
		case p == nil || !p.state.assigned():
			k.done <- s.notOwner(k)
			return true
		case p.state == PartitionActive || p.state == PartitionDraining:
			s.begin(p, k)
			return true
		}
		return false
	})
}

func (s *seeks) begin(p *partition, k *seek) {
	k.draining = p.state == PartitionDraining
	s.a.move(p, seekBegun)
	s.a.epoch++
	s.a.busy[p.id] = true
	claim := Claim{Partition: p.id, Epoch: s.a.epoch, Paused: s.a.paused[p.id]}
	id, former, session := p.id, p.epoch, s.a.session
	s.a.requests.run(s.a.ctx, func(ctx context.Context) event {
		return event{kind: seekEnded, partition: id, epoch: former, err: k.do(ctx, session, claim), value: seekAnswer{k, claim}}
	})
}

// answered starts the partition at its new position.
func (s *seeks) answered(e event) {
	delete(s.a.busy, e.partition)
	answer := e.value.(seekAnswer)
	p := s.a.find(e.partition, e.epoch)
	if p == nil { // it was lost meanwhile
		if e.err == nil {
			s.a.deps.Partitions.End(e.partition, errNotAssigned)
			e.err = s.notOwner(answer.seek)
		}
		answer.seek.done <- e.err
		return
	}
	switch _, there := s.a.deps.Partitions.Summary(p.id); {
	case e.err == nil:
		s.a.move(p, seekDone)
		s.a.renew(p, answer.claim.Epoch)
		s.a.surveyNeeded = true // the server may be about to move it
		s.a.repeatPause(answer.claim)
		s.a.start(p.id)
	case there && answer.seek.draining:
		s.a.move(p, seekFailed)
		s.a.drain(p, p.deadline)
	case there:
		s.a.move(p, seekFailed)
		s.a.start(p.id)
	default:
		s.a.move(p, seekReleased)
		s.a.endLost(p, fmt.Errorf("%w: seek failed: %w", ErrLost, e.err))
	}
	answer.seek.done <- e.err
}

// pause is a command to stop or resume the delivery of a partition.
type pause struct {
	on   bool
	done chan struct{}
}

func seekCommand(m *member, e event) State {
	m.seeks.add(e.value.(*seek))
	return m.state
}

func seekAfterStop(m *member, e event) State {
	e.value.(*seek).done <- iggyerr.ErrClosed
	return m.state
}

func seekWithdrawn(m *member, e event) State {
	m.seeks.cancelled(e.value.(*seek))
	return m.state
}

func seekAnswered(m *member, e event) State {
	m.seeks.answered(e)
	return m.state
}

func pauseCommand(m *member, e event) State {
	p := e.value.(pause)
	m.assignment.pause(e.partition, p.on)
	close(p.done)
	return m.state
}
