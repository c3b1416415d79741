package group

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
)

// verification compares stored offsets and log ends with what they should be: those of all active
// partitions once a probe interval, and those of a partition at once when answers do not fit its
// position.
type verification struct {
	a        *assignment
	backoffs *backoffs
	// needed are the partitions that must be verified at once, with the epochs of their assignments.
	// They are not fetched before that.
	needed map[uint32]need
	// requests counts the requests.
	requests int
	retry    time.Time
}

// need is a partition that must be verified at once.
type need struct {
	epoch uint64
	// after is the number of requests that were made before: a later one is about it.
	after int
}

// verifyAnswer is what a verification found.
type verifyAnswer struct {
	epochs map[uint32]uint64
	// needed tells that the partitions were not fetched before this verification.
	needed  bool
	request int // its number
	changed []Finding
	gone    []uint32 // not assigned to this member any more
}

// need has a partition verified at once.
func (v *verification) need(id uint32) {
	if p := v.a.partitions[id]; p != nil && p.state.assigned() {
		v.needed[id] = need{p.epoch, v.requests}
	}
}

// changes reports whether a partition was found to be changed, or gone.
func (a verifyAnswer) changes(id uint32) bool {
	return slices.Contains(a.gone, id) || slices.ContainsFunc(a.changed, func(f Finding) bool { return f.Partition == id })
}

// due returns the partitions to be verified at once.
func (v *verification) due(clock *schedule) map[uint32]uint64 {
	epochs := map[uint32]uint64{}
	for id, n := range v.needed {
		switch p := v.a.find(id, n.epoch); {
		case p == nil:
			delete(v.needed, id)
		case p.state == PartitionActive && v.backoffs.may(id, clock):
			epochs[id] = n.epoch
		}
	}
	if len(epochs) > 0 && !clock.due(v.retry) {
		return nil
	}
	return epochs
}

// active returns all partitions that can be verified.
func (v *verification) active() map[uint32]uint64 {
	epochs := map[uint32]uint64{}
	for _, id := range v.a.in(PartitionActive) {
		epochs[id] = v.a.partitions[id].epoch
	}
	return epochs
}

// request returns the request that verifies partitions. For those that need verification it first
// reads whether they are still assigned to this member.
func (v *verification) request(epochs map[uint32]uint64, needed bool) func(ctx context.Context) event {
	v.requests++
	number := v.requests
	partitions, server, session := v.a.deps.Partitions, v.a.server, v.a.session
	return func(ctx context.Context) event {
		answer := verifyAnswer{epochs: epochs, needed: needed, request: number}
		var ids []uint32
		for id := range epochs {
			owned, err := true, error(nil)
			if needed {
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
			// The next owner may have moved the offset.
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

// ownsNow reports whether a partition is assigned to this consumer. Those of a standalone consumer
// always are.
func (s server) ownsNow(ctx context.Context, id uint32) (bool, error) {
	if !s.consumer.Group {
		return true, nil
	}
	return s.owns(ctx, s.consumer.Name, id)
}

// answered has changed partitions prepared again.
func (v *verification) answered(e event) {
	answer := e.value.(verifyAnswer)
	if e.err != nil {
		v.retry = time.Now().Add(v.a.cfg.ProbeInterval / ticksPerProbe)
		v.a.log.Debug("verification failed, retrying", zap.Error(e.err))
	} else {
		for id, epoch := range answer.epochs {
			if n := v.needed[id]; n.epoch == epoch && n.after < answer.request {
				delete(v.needed, id)
			}
			if p := v.a.find(id, epoch); answer.needed && p != nil && !answer.changes(id) {
				v.backoffs.retryAfter(id, errNotVerified, false)
				if err := v.backoffs.problem(id); err != nil {
					v.a.report.note(fmt.Errorf("iggy: %s/%d: %w", v.a.cfg.Consumer.Topic, id, err))
				}
			}
		}
	}
	for _, id := range answer.gone {
		if p := v.a.find(id, answer.epochs[id]); p != nil {
			v.a.lose(p, errNotAssigned)
		}
	}
	for _, f := range answer.changed {
		if p := v.a.find(f.Partition, answer.epochs[f.Partition]); p != nil && p.state == PartitionActive {
			v.a.report.note(fmt.Errorf("iggy: %s/%d: %w", v.a.cfg.Consumer.Topic, p.id, f.Cause))
			v.a.restart(p, f, fmt.Errorf("%w: %w", errReset, f.Cause))
			v.backoffs.retryAfter(p.id, f.Cause, false)
		}
	}
}

func verifyCommand(m *member, e event) State {
	m.verify.need(e.partition)
	return m.state
}
