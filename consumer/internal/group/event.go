package group

// eventKind is what may happen to a machine.
type eventKind uint8

const (
	// The session.
	sessionGained eventKind = iota
	sessionFailed           // there will be none any more
	sessionLost

	// Commands.
	stopAsked
	workOver // the time for finishing what is with the application has passed
	closeAsked
	seekAsked
	seekCancelled // the caller does not wait for it any more
	pauseAsked

	// Notifications of the consumer.
	drained
	verifyNeeded
	refused

	// Time.
	timeReached

	// Answers of requests that belong to the state in which they were made.
	joinAnswered
	surveyed
	verified
	looked // at the members of the two groups
	elected
	dialled
	committed
	redistributed
	announced
	resumed
	groupsLeft

	// Answers of requests that belong to a partition.
	claimed
	handedOver
	sought

	eventKinds
)

var eventNames = [eventKinds]string{
	"session gained", "session failed", "session lost",
	"stop asked", "work over", "close asked", "seek asked", "seek cancelled", "pause asked",
	"drained", "verify needed", "refused",
	"time reached",
	"join answered", "surveyed", "verified", "looked", "elected", "dialled", "committed", "redistributed", "announced", "resumed", "groups left",
	"claimed", "handed over", "sought",
}

func (k eventKind) String() string { return eventNames[k] }

// event is something that happened.
type event struct {
	kind eventKind
	// answer tells that a request has ended, and visit, unless it is 0, which visit of a state it
	// belongs to: once the state was left, nobody is interested in it.
	answer    bool
	visit     uint64
	partition uint32
	epoch     uint64
	err       error
	value     any
}
