package group

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
)

// verification has stored offsets and log ends compared with what they should be: of all active
// partitions with each survey, and at once of one where something did not fit.
type verification struct {
	a        *assignment
	backoffs *backoffs
	// needed are the partitions where something did not fit, with the numbers of their assignments.
	// They are not fetched before they were verified.
	needed map[uint32]uint64
	retry  time.Time
}

// answerOfVerify is what a verification found.
type answerOfVerify struct {
	asked map[uint32]uint64
	// doubtful tells that something did not fit with them.
	doubtful bool
	changed  []Finding
	gone     []uint32 // not this member's any more
}

// need has a partition verified.
func (v *verification) need(id uint32) {
	if p := v.a.partitions[id]; p != nil && p.state.assigned() {
		v.needed[id] = p.epoch
	}
}

// changes tells whether a partition is found to be changed, or gone.
func (a answerOfVerify) changes(id uint32) bool {
	return slices.Contains(a.gone, id) || slices.ContainsFunc(a.changed, func(f Finding) bool { return f.Partition == id })
}

// due are the partitions to be verified at once.
func (v *verification) due(clock *schedule) map[uint32]uint64 {
	asked := map[uint32]uint64{}
	for id, epoch := range v.needed {
		switch p := v.a.find(id, epoch); {
		case p == nil:
			delete(v.needed, id)
		case p.state == PartitionActive && v.backoffs.may(id, clock):
			asked[id] = epoch
		}
	}
	if len(asked) > 0 && !clock.due(v.retry) {
		return nil
	}
	return asked
}

// active are all partitions that can be verified.
func (v *verification) active() map[uint32]uint64 {
	asked := map[uint32]uint64{}
	for _, id := range v.a.in(PartitionActive) {
		asked[id] = v.a.partitions[id].epoch
	}
	return asked
}

// request verifies partitions. Where something did not fit it asks first whether they are this
// member's still.
func (v *verification) request(asked map[uint32]uint64, doubtful bool) func(ctx context.Context) event {
	partitions, server, session := v.a.deps.Partitions, v.a.server, v.a.session
	return func(ctx context.Context) event {
		answer := answerOfVerify{asked: asked, doubtful: doubtful}
		var ids []uint32
		for id := range asked {
			owned, err := true, error(nil)
			if doubtful {
				owned, err = server.ownsNow(ctx, id)
			}
			switch {
			case err != nil:
				return event{kind: verified, err: err, value: answer}
			case owned:
				ids = append(ids, id)
			default:
				answer.gone = append(answer.gone, id)
			}
		}
		findings, err := partitions.Verify(ctx, session, ids)
		for _, f := range findings {
			// The one who moved the offset may be the next owner.
			owned, ownsErr := server.ownsNow(ctx, f.Partition)
			switch {
			case ownsErr != nil:
				return event{kind: verified, err: ownsErr, value: answer}
			case owned:
				answer.changed = append(answer.changed, f)
			default:
				answer.gone = append(answer.gone, f.Partition)
			}
		}
		return event{kind: verified, err: err, value: answer}
	}
}

// ownsNow tells whether a partition is assigned to this consumer. What a standalone consumer reads
// is nobody else's.
func (s server) ownsNow(ctx context.Context, id uint32) (bool, error) {
	if !s.consumer.Group {
		return true, nil
	}
	return s.owns(ctx, s.consumer.Name, id)
}

// answered has changed partitions taken again.
func (v *verification) answered(e event) {
	answer := e.value.(answerOfVerify)
	if e.err != nil {
		v.retry = time.Now().Add(v.a.cfg.ProbeInterval / ticksPerProbe)
		v.a.log.Debug("verification failed, retrying", zap.Error(e.err))
	} else {
		for id, epoch := range answer.asked {
			if v.needed[id] == epoch {
				delete(v.needed, id)
			}
			if p := v.a.find(id, epoch); answer.doubtful && p != nil && !answer.changes(id) {
				v.backoffs.again(id, errDoubt, false)
			}
		}
	}
	for _, id := range answer.gone {
		if p := v.a.find(id, answer.asked[id]); p != nil {
			v.a.lose(p, errNotAssigned)
		}
	}
	for _, f := range answer.changed {
		if p := v.a.find(f.Partition, answer.asked[f.Partition]); p != nil && p.state == PartitionActive {
			v.a.report.note(fmt.Errorf("iggy: %s/%d: %w", v.a.cfg.Consumer.Topic, p.id, f.Cause))
			v.a.takeAgain(p, f, fmt.Errorf("%w: %w", errReset, f.Cause))
			v.backoffs.again(p.id, f.Cause, false)
		}
	}
}

func verifyCommand(m *member, e event) State {
	m.verify.need(e.partition)
	return m.state
}
