package group

// eventKind is the kind of an event.
type eventKind uint8

const (
	// The session.
	sessionGained eventKind = iota
	sessionFailed           // there will be no more
	sessionLost

	// Commands.
	stopRequested
	drainTimeOver // the time to wait for messages in flight is over
	closeRequested
	seekRequested
	seekCancelled // the caller does not wait for it any more
	pauseRequested

	// Notifications of the consumer.
	drained
	verifyNeeded
	refused

	// Time.
	timerExpired

	// Answers to requests that belong to the state in which they were made.
	joinAnswered
	surveyed
	verified
	membersRead // those of the two groups
	coordinatorRead
	dialled
	committed
	redistributed
	announced
	resumed
	groupsLeft

	// Answers to requests that belong to a partition.
	prepareEnded
	handOverEnded
	seekEnded

	eventKinds
)

var eventNames = [eventKinds]string{
	"session gained", "session failed", "session lost",
	"stop requested", "drain time over", "close requested", "seek requested", "seek cancelled", "pause requested",
	"drained", "verify needed", "refused",
	"timer expired",
	"join answered", "surveyed", "verified", "members read", "coordinator read", "dialled", "committed", "redistributed", "announced", "resumed", "groups left",
	"prepare ended", "handover ended", "seek ended",
}

func (k eventKind) String() string { return eventNames[k] }

// event is something that happened.
type event struct {
	kind eventKind
	// answer tells that a request has ended. visit, unless it is 0, says which visit of a state it
	// belongs to: the answer is dropped once that state was left.
	answer    bool
	visit     uint64
	partition uint32
	epoch     uint64
	err       error
	value     any
}
