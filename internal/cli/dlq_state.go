package cli

import (
	"time"
)

// The states of a dead letter.
const (
	stateOpen     = "open"
	stateReplayed = "replayed"
	stateDropped  = "dropped"
	stateClaimed  = "claimed" // someone is putting it back
	stateAll      = "all"     // for filters
)

// What marks say.
const (
	markClaim    = "claim"
	markReplayed = "replayed"
	markRelease  = "release" // it was surely not put back
	markDropped  = "dropped"
)

// claimFor is how long a claim keeps others away: longer than a chunk takes with
// all its retries.
const claimFor = 5 * time.Minute

// mark is a message of the topic of marks.
type mark struct {
	// Letter is the letter's key, and Position where it was found.
	Letter   string `json:"letter"`
	Position string `json:"position"`
	Mark     string `json:"mark"`
	// From is the state that the mark is about to change. In any other state
	// it has no effect: so the first of two who want the same letter gets it.
	From string `json:"from,omitempty"`
	// Run is the run of this program that wrote it, By who ran it.
	Run string `json:"run"`
	By  string `json:"by"`
	// At is when the server stored it; it is not part of the message.
	At time.Time `json:"at"`
}

// letterState is what the marks of a letter add up to.
type letterState struct {
	state   string
	since   time.Time
	run     string // who has claimed it
	before  string // the state before the claim
	replays int
	// doubtSince is when the oldest claim was made that no one has finished: its
	// task may have been put back or not. Zero when there is no doubt.
	doubtSince time.Time
	history    []mark
}

// apply adds a mark, in the order in which the server stored them.
func (s *letterState) apply(m mark) {
	s.history = append(s.history, m)
	if s.state == "" {
		s.state = stateOpen
	}
	s.expire(m.At)
	change := func(state string) { s.state, s.since = state, m.At }
	switch {
	case m.Mark == markClaim && s.state == m.From:
		s.before, s.run = s.state, m.Run
		if s.doubtSince.IsZero() {
			s.doubtSince = m.At
		}
		change(stateClaimed)
	case m.Mark == markReplayed && s.state == stateClaimed && s.run == m.Run:
		s.replays++
		s.doubtSince = time.Time{}
		change(stateReplayed)
	case m.Mark == markRelease && s.state == stateClaimed && s.run == m.Run:
		s.doubtSince = time.Time{}
		change(s.before)
	case m.Mark == markDropped && s.state == m.From:
		change(stateDropped)
	}
}

// expire ends a claim whose time is over. The doubt stays.
func (s *letterState) expire(now time.Time) {
	if s.state == stateClaimed && now.Sub(s.since) > claimFor {
		s.state = s.before
	}
}

// shown is the state at a time.
func (s letterState) shown(now time.Time) string {
	if s.state == "" {
		return stateOpen
	}
	s.expire(now)
	return s.state
}
