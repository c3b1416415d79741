package group

import (
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/protocol"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"go.uber.org/zap"
)

// refusedByServer handles a poll or a commit of the consumer that the server refused: the
// membership ends, the partition is lost, or it is verified who owns it.
func refusedByServer(m *member, e event) State {
	p := m.assignment.find(e.partition, e.epoch)
	var reset *ResetError
	switch {
	case p == nil || !m.cfg.Consumer.Group || errors.As(e.err, &reset):
		// An answer to a former assignment says nothing about the present one.
	case protocol.IsNotMember(e.err):
		m.report.note(e.err)
		return m.evicted(e.err)
	case errors.Is(e.err, iggyerr.ErrNotOwner):
		m.log.Warn("partition reassigned before its offset was committed", zap.Uint32("partition", p.id), zap.Error(e.err))
		m.assignment.lose(p, fmt.Errorf("%w: %w", ErrLost, e.err))
	case protocol.IsNotOwner(e.err):
		m.verify.need(p.id) // the status may have another reason, so the server is asked who owns it
	}
	return m.state
}

// failed handles an error of a request: when it means that the membership does not exist any more,
// the machine joins again.
func (m *member) failed(err error) State {
	if err == nil {
		return m.state
	}
	m.report.note(err)
	if m.cfg.Consumer.Group && protocol.IsNotMember(err) {
		return m.evicted(err)
	}
	m.log.Debug("membership step failed, retrying", zap.Stringer("state", m.state), zap.Error(err))
	return m.state
}

// evicted ends a membership that the server does not know any more.
func (m *member) evicted(err error) State {
	m.joining.failed(err)
	if m.joining.fault.Occurred(err) {
		m.log.Warn("no longer a member of the group, joining again", zap.Error(err))
	}
	m.endMembership(fmt.Errorf("%w: %w", ErrLost, err))
	m.session.renew()
	m.groups.main = false
	switch {
	case !m.state.stopping():
		return Joining
	case m.groups.coordination && m.state != LeavingGroups:
		return LeavingGroups
	}
	return Ended
}
