package group

import (
	"context"
	"errors"
	"fmt"
)

// takes begins the assignments: it claims the partitions that wait, all that are due in one
// request.
type takes struct {
	a        *assignment
	backoffs *backoffs
	running  bool
}

// answerOfTake is what became of claims.
type answerOfTake struct {
	claims   []Claim
	prepared map[uint32]bool
}

// due claims what waits and may be taken now.
func (t *takes) due(clock *schedule) {
	if t.running {
		return
	}
	var claims []Claim
	for _, p := range t.a.sorted() {
		if p.state != PartitionWaiting || t.a.busy[p.id] || !t.backoffs.may(p.id, clock) {
			continue
		}
		t.a.epoch++
		t.a.renew(p, t.a.epoch)
		t.a.move(p, takeBegun)
		claims = append(claims, Claim{
			Partition: p.id, Epoch: p.epoch, Paused: t.a.paused[p.id], Finding: p.finding, Attempt: t.backoffs.attempts(p.id),
		})
	}
	if len(claims) == 0 {
		return
	}
	t.running = true
	partitions, session := t.a.deps.Partitions, t.a.session
	t.a.requests.run(t.a.ctx, func(ctx context.Context) event {
		ids, err := partitions.Take(ctx, session, claims)
		answer := answerOfTake{claims: claims, prepared: map[uint32]bool{}}
		for _, id := range ids {
			answer.prepared[id] = true
		}
		return event{kind: claimed, err: err, value: answer}
	})
}

// answered starts what was taken, all at once.
func (t *takes) answered(e event) {
	t.running = false
	answer := e.value.(answerOfTake)
	if e.err != nil && t.a.ctx.Err() == nil {
		t.a.report.note(fmt.Errorf("iggy: take partitions: %w", e.err))
	}
	var began []uint32
	for _, claim := range answer.claims {
		p := t.a.find(claim.Partition, claim.Epoch)
		switch {
		case p == nil:
			if answer.prepared[claim.Partition] {
				t.a.deps.Partitions.End(claim.Partition, errNotAssigned) // never started
			}
		case answer.prepared[claim.Partition]:
			t.a.move(p, takeDone)
			p.finding = Finding{}
			t.a.changes++
			t.a.repeatPause(claim)
			began = append(began, p.id)
		default:
			t.a.move(p, takeFailed)
			err := e.err
			if err == nil {
				err = errors.New("the server does not tell where its log ends")
			}
			t.backoffs.again(p.id, err, true)
			t.a.again = true // perhaps it is not ours
		}
	}
	if len(began) > 0 {
		t.a.start(began...)
		t.a.deps.Observer.Assigned(began)
	}
}

func takeAnswered(m *member, e event) State {
	m.takes.answered(e)
	return m.state
}
