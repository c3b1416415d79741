package cli

import (
	"time"
)

// The states of a dead letter.
const (
	stateOpen     = "open"
	stateReplayed = "replayed"
	stateDropped  = "dropped"
	stateClaimed  = "claimed" // a replay is under way
	stateAll      = "all"     // of filters only
)

// The kinds of marks.
const (
	markClaim    = "claim"
	markReplayed = "replayed"
	markRelease  = "release" // a claim ended, and the task was surely not replayed
	markDropped  = "dropped"
)

// claimDuration is how long a claim lasts: longer than a chunk takes with all its retries.
const claimDuration = 5 * time.Minute

// mark is a message of the topic of marks.
type mark struct {
	// Letter is the key of the dead letter, Position its partition and offset.
	Letter   string `json:"letter"`
	Position string `json:"position"`
	Mark     string `json:"mark"`
	// From is the state in which the mark has an effect. In any other state it has none, so only
	// the first of two claims of the same dead letter succeeds.
	From string `json:"from,omitempty"`
	// Run identifies the run of this program that wrote the mark, By the user who ran it.
	Run string `json:"run"`
	By  string `json:"by"`
	// At is when the server stored the mark. It is not part of the message.
	At time.Time `json:"at"`
}

// deadLetterState is the state of a dead letter, computed from its marks.
type deadLetterState struct {
	state            string
	since            time.Time
	claimedBy        string // the run that holds the claim
	stateBeforeClaim string // the state before the claim
	replays          int
	// unresolvedSince is the time of the oldest claim that ended without a mark: its task may have
	// been replayed or not. It is zero when there is none.
	unresolvedSince time.Time
	history         []mark
}

// apply applies the next mark, in the order in which the server stored them.
func (s *deadLetterState) apply(m mark) {
	s.history = append(s.history, m)
	if s.state == "" {
		s.state = stateOpen
	}
	s.expire(m.At)
	change := func(state string) { s.state, s.since = state, m.At }
	switch {
	case m.Mark == markClaim && s.state == m.From:
		s.stateBeforeClaim, s.claimedBy = s.state, m.Run
		if s.unresolvedSince.IsZero() {
			s.unresolvedSince = m.At
		}
		change(stateClaimed)
	case m.Mark == markReplayed && s.state == stateClaimed && s.claimedBy == m.Run:
		s.replays++
		s.unresolvedSince = time.Time{}
		change(stateReplayed)
	case m.Mark == markRelease && s.state == stateClaimed && s.claimedBy == m.Run:
		s.unresolvedSince = time.Time{}
		change(s.stateBeforeClaim)
	case m.Mark == markDropped && s.state == m.From:
		change(stateDropped)
	}
}

// expire ends a claim that is older than claimDuration. It stays unresolved.
func (s *deadLetterState) expire(now time.Time) {
	if s.state == stateClaimed && now.Sub(s.since) > claimDuration {
		s.state = s.stateBeforeClaim
	}
}

// at is the state at a time.
func (s deadLetterState) at(now time.Time) string {
	if s.state == "" {
		return stateOpen
	}
	s.expire(now)
	return s.state
}
