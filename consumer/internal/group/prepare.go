package group

import (
	"context"
	"errors"
	"fmt"
)

// preparations makes the assignments: it claims the waiting partitions, all that are due in one
// request.
type preparations struct {
	a        *assignment
	backoffs *backoffs
	running  bool
}

// prepareAnswer says which claims were prepared.
type prepareAnswer struct {
	claims   []Claim
	prepared map[uint32]bool
}

// startDue claims the waiting partitions that may be prepared now.
func (t *preparations) startDue(clock *schedule) {
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
		t.a.move(p, prepareBegun)
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
		ids, err := partitions.Prepare(ctx, session, claims)
		answer := prepareAnswer{claims: claims, prepared: map[uint32]bool{}}
		for _, id := range ids {
			answer.prepared[id] = true
		}
		return event{kind: prepareEnded, err: err, value: answer}
	})
}

// answered starts the partitions that were prepared, all in one call.
func (t *preparations) answered(e event) {
	t.running = false
	answer := e.value.(prepareAnswer)
	if e.err != nil && t.a.ctx.Err() == nil {
		t.a.report.note(fmt.Errorf("iggy: prepare partitions: %w", e.err))
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
			t.a.move(p, prepareDone)
			p.finding = Finding{}
			t.a.changes++
			t.a.repeatPause(claim)
			began = append(began, p.id)
		default:
			t.a.move(p, prepareFailed)
			err := e.err
			if err == nil {
				err = errors.New("the server does not say where its log ends")
			}
			t.backoffs.retryAfter(p.id, err, true)
			t.a.surveyNeeded = true // it may be assigned to another member
		}
	}
	if len(began) > 0 {
		t.a.start(began...)
		t.a.deps.Observer.Assigned(began)
	}
}

func prepareAnswered(m *member, e event) State {
	m.preparations.answered(e)
	return m.state
}
