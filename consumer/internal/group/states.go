package group

import "slices"

// State is what a machine is doing.
type State uint8

const (
	// Disconnected has no session and waits for one.
	Disconnected State = iota
	// Joining has a session and is no member of the group yet.
	Joining
	// Active fetches and delivers what is assigned.
	Active

	// Electing has joined the coordination group, since shares are uneven, and asks who the
	// coordinator of the rebalance is.
	Electing
	// Dialling is the coordinator and connects the transient member.
	Dialling
	// Gathering is the coordinator and waits for the participants to drain; it works on meanwhile.
	Gathering
	// CoordinatorDraining finishes its own messages in flight.
	CoordinatorDraining
	// CoordinatorCommitting commits what was acknowledged.
	CoordinatorCommitting
	// Assembling waits for the last participants.
	Assembling
	// Redistributing has the transient member join and leave, with which all partitions are
	// assigned anew.
	Redistributing

	// ParticipantDraining finishes its messages in flight, since another member began a rebalance.
	ParticipantDraining
	// ParticipantCommitting commits what was acknowledged.
	ParticipantCommitting
	// Announcing joins the coordination group: this member is drained.
	Announcing
	// WaitingForCoordinator waits for the partitions to be assigned anew.
	WaitingForCoordinator

	// Resuming leaves the coordination group and learns what is assigned now.
	Resuming

	// StopDraining finishes the messages in flight, since the consumer stoppingStates.
	StopDraining
	// StopCommitting commits what was acknowledged.
	StopCommitting
	// StopAnnouncing joins the coordination group: this member is about to leave.
	StopAnnouncing
	// StopWaiting waits for the others to drain.
	StopWaiting
	// LeavingGroups leaves what was joined.
	LeavingGroups
	// Ended has nothing any more.
	Ended

	stateCount
)

var stateNames = [stateCount]string{
	"disconnected", "joining", "active",
	"electing", "dialling", "gathering", "coordinator draining", "coordinator committing", "assembling", "redistributing",
	"participant draining", "participant committing", "announcing", "waiting for coordinator",
	"resuming",
	"stop draining", "stop committing", "stop announcing", "stop waiting", "leaving groups", "ended",
}

func (s State) String() string { return stateNames[s] }

func (s State) joined() bool { return s >= Active && s < Ended }

func (s State) stopping() bool { return s >= StopDraining }

// states is a set of states.
type states uint32

func in(all ...State) (s states) {
	for _, one := range all {
		s |= 1 << one
	}
	return s
}

// from is all states from one to another.
func from(first, last State) (s states) {
	for one := first; one <= last; one++ {
		s |= 1 << one
	}
	return s
}

func (s states) has(one State) bool { return s&(1<<one) != 0 }

var (
	notEnded       = from(Disconnected, LeavingGroups)
	joinedStates   = from(Active, Resuming)
	stoppingStates = from(StopDraining, LeavingGroups)
)

// transition is what becomes of an event in some states. It is handled, or it is not: because it is
// of no interest, or because it can't happen.
type transition struct {
	on         eventKind
	in         states
	do         func(*member, event) State
	to         states // where do may lead, besides where it is
	ignored    string // why
	impossible string // why
}

// The reasons of several rows.
const (
	dropped = "it belongs to a state that was left, and is dropped before the table"
	hasOne  = "a session is waited for only without one"
	late    = "the assignment that it is about has ended"
)

type transitionTable []transition

// transitions is the table of the machine: each event in each state, exactly once.
var transitions = transitionTable{
	// The session.
	{on: sessionGained, in: in(Disconnected), do: sessionCame},
	{on: sessionGained, in: notEnded &^ in(Disconnected), impossible: hasOne},
	{on: sessionFailed, in: in(Disconnected), do: sessionNeverComes, to: in(Ended)},
	{on: sessionFailed, in: notEnded &^ in(Disconnected), impossible: hasOne},
	{on: sessionLost, in: in(Joining) | joinedStates, do: sessionEnded, to: in(Disconnected)},
	{on: sessionLost, in: stoppingStates, do: sessionEnded, to: in(Ended)},
	{on: sessionLost, in: in(Disconnected), impossible: "there is none"},

	// Commands.
	{on: stopAsked, in: in(Disconnected), do: endNow, to: in(Ended)},
	{on: stopAsked, in: in(Joining), do: stopWhileJoining, to: in(LeavingGroups, Ended)},
	{on: stopAsked, in: joinedStates, do: stopBegins, to: in(StopDraining)},
	{on: stopAsked, in: stoppingStates, ignored: "it stoppingStates already"},
	{on: workOver, in: notEnded, do: workIsOver},
	{on: closeAsked, in: notEnded, do: closeMachine, to: in(Ended)},
	{on: seekAsked, in: in(Disconnected, Joining) | joinedStates, do: seekCommand},
	{on: seekAsked, in: stoppingStates, do: seekTooLate},
	{on: seekCancelled, in: notEnded, do: seekWithdrawn},
	{on: pauseAsked, in: notEnded, do: pauseCommand},

	// Notifications.
	{on: drained, in: notEnded, ignored: "the state looks at what is drained each time that something happens"},
	{on: verifyNeeded, in: joinedStates, do: verifyCommand},
	{on: verifyNeeded, in: in(Disconnected, Joining), ignored: late},
	{on: verifyNeeded, in: stoppingStates, ignored: "nothing is fetched any more"},
	{on: refused, in: joinedStates, do: refusedByServer, to: in(Joining)},
	{on: refused, in: stoppingStates, do: refusedByServer, to: in(LeavingGroups, Ended)},
	{on: refused, in: in(Disconnected, Joining), ignored: late},

	// Time.
	{on: timeReached, in: notEnded, ignored: "the state looks at the clock each time that something happens"},

	// Answers to what was asked in a state.
	{on: joinAnswered, in: in(Joining), do: joined, to: in(Active)},
	{on: joinAnswered, in: notEnded &^ in(Joining), impossible: dropped},
	{on: surveyed, in: in(Active), do: surveyAnswered, to: in(Joining)},
	{on: surveyed, in: notEnded &^ in(Active), impossible: dropped},
	{on: verified, in: in(Active), do: verifyAnswered, to: in(Joining)},
	{on: verified, in: notEnded &^ in(Active), impossible: dropped},
	{on: looked, in: in(Active), do: lookAnswered, to: in(Electing, ParticipantDraining)},
	{on: looked, in: in(Gathering), do: gatherAnswered, to: in(CoordinatorDraining)},
	{on: looked, in: in(Assembling), do: assembleAnswered, to: in(Redistributing)},
	{on: looked, in: in(ParticipantDraining, WaitingForCoordinator), do: participantAnswered, to: in(Resuming)},
	{on: looked, in: in(StopWaiting), do: othersAnswered, to: in(LeavingGroups)},
	{on: looked, in: notEnded &^ in(Active, Gathering, Assembling, ParticipantDraining, WaitingForCoordinator, StopWaiting), impossible: dropped},
	{on: elected, in: in(Electing), do: electionAnswered, to: in(Dialling, ParticipantDraining, Resuming)},
	{on: elected, in: notEnded &^ in(Electing), impossible: dropped},
	{on: dialled, in: in(Dialling), do: dialAnswered, to: in(Gathering, Resuming)},
	{on: dialled, in: notEnded &^ in(Dialling), impossible: dropped},
	{on: committed, in: in(CoordinatorCommitting), do: coordinatorCommitted, to: in(Assembling)},
	{on: committed, in: in(ParticipantCommitting), do: participantCommitted, to: in(ParticipantDraining, Announcing, WaitingForCoordinator)},
	{on: committed, in: in(StopCommitting), do: stopCommitted, to: in(StopDraining, StopAnnouncing, LeavingGroups, Ended)},
	{on: committed, in: notEnded &^ in(CoordinatorCommitting, ParticipantCommitting, StopCommitting), impossible: dropped},
	{on: redistributed, in: in(Redistributing), do: redistributionAnswered, to: in(Resuming)},
	{on: redistributed, in: notEnded &^ in(Redistributing), impossible: dropped},
	{on: announced, in: in(Announcing), do: announceAnswered, to: in(WaitingForCoordinator, Resuming)},
	{on: announced, in: in(StopAnnouncing), do: announceStopAnswered, to: in(StopWaiting, LeavingGroups)},
	{on: announced, in: notEnded &^ in(Announcing, StopAnnouncing), impossible: dropped},
	{on: resumed, in: in(Resuming), do: resumeAnswered, to: in(Active, Joining)},
	{on: resumed, in: notEnded &^ in(Resuming), impossible: dropped},
	{on: groupsLeft, in: in(LeavingGroups), do: groupsLeftAnswered, to: in(Ended)},
	{on: groupsLeft, in: notEnded &^ in(LeavingGroups), impossible: dropped},

	// Answers to what was asked for a partition, in whatever state they come.
	{on: claimed, in: notEnded, do: takeAnswered},
	{on: handedOver, in: in(Disconnected, Joining), do: handOverAnswered},
	{on: handedOver, in: joinedStates, do: handOverAnswered, to: in(Joining)},
	{on: handedOver, in: stoppingStates, do: handOverAnswered, to: in(LeavingGroups, Ended)},
	{on: sought, in: notEnded, do: seekAnswered},
}

// find gives what becomes of an event in a state.
func (t transitionTable) find(s State, on eventKind) transition {
	for _, row := range t {
		if row.on == on && row.in.has(s) {
			return row
		}
	}
	return transition{impossible: "the loop has ended"}
}

// activity is what a machine does in a state: once when the state begins, and then each time that
// something has happened. It makes the requests that are due, and may lead on.
type activity struct {
	begin func(*member)
	do    func(*member) State
	to    states
}

var activities = [stateCount]activity{
	Disconnected: {do: connect, to: in(Joining, Active)},
	Joining:      {do: join},
	Active:       {begin: startAll, do: probeServer},

	Electing:              {begin: elect},
	Dialling:              {begin: dial},
	Gathering:             {do: gather, to: in(CoordinatorDraining)},
	CoordinatorDraining:   {begin: drainAll, do: drainCoordinator, to: in(CoordinatorCommitting)},
	CoordinatorCommitting: {begin: commitCoordinator},
	Assembling:            {do: assemble, to: in(Redistributing)},
	Redistributing:        {begin: redistribute},

	ParticipantDraining:   {begin: drainAll, do: drainParticipant, to: in(ParticipantCommitting, Resuming)},
	ParticipantCommitting: {begin: commitAll},
	Announcing:            {begin: announce},
	WaitingForCoordinator: {do: waitForCoordinator, to: in(Resuming)},

	Resuming: {begin: resume},

	StopDraining:   {begin: beginStop, do: drainBeforeStop, to: in(StopCommitting)},
	StopCommitting: {begin: commitAll},
	StopAnnouncing: {begin: announceStop, do: waitNoLonger, to: in(LeavingGroups)},
	StopWaiting:    {do: waitForOthers, to: in(LeavingGroups)},
	LeavingGroups:  {begin: leaveGroups},
	Ended:          {begin: endAll},
}

// partitionStep is what becomes of a partition.
type partitionStep struct {
	on         partitionEvent
	in         []PartitionState
	to         PartitionState
	impossible string // why
}

type partitionStepTable []partitionStep

// partitionTable is the table of a partition: each event in each state, exactly once. An answer of
// a request for a partition that was lost meanwhile is about no partition, and reaches no table.
var partitionTable = partitionStepTable{
	{on: partitionFound, in: only(PartitionAbsent), to: PartitionWaiting},
	{on: partitionFound, in: except(PartitionAbsent), impossible: "it is known already"},
	{on: takeBegun, in: only(PartitionWaiting), to: PartitionTaking},
	{on: takeBegun, in: except(PartitionWaiting), impossible: "only what waits is taken"},
	{on: takeDone, in: only(PartitionTaking), to: PartitionActive},
	{on: takeDone, in: except(PartitionTaking), impossible: "there is one answer to a claim, and nothing else becomes of it before"},
	{on: takeFailed, in: only(PartitionTaking), to: PartitionWaiting},
	{on: takeFailed, in: except(PartitionTaking), impossible: "there is one answer to a claim, and nothing else becomes of it before"},
	{on: changeFound, in: only(PartitionActive, PartitionDraining), to: PartitionWaiting},
	{on: changeFound, in: except(PartitionActive, PartitionDraining), impossible: "only active partitions are verified, and only draining ones stay with their time over"},
	{on: drainBegun, in: only(PartitionActive), to: PartitionDraining},
	{on: drainBegun, in: except(PartitionActive), impossible: "the others drain already, or are looked at again when their request has ended"},
	{on: stays, in: only(PartitionDraining), to: PartitionActive},
	{on: stays, in: except(PartitionDraining), impossible: "the others were not to be moved"},
	{on: handOverBegun, in: only(PartitionDraining), to: PartitionHandingOver},
	{on: handOverBegun, in: except(PartitionDraining), impossible: "a partition drains before it is handed over"},
	{on: handOverDone, in: only(PartitionHandingOver), to: PartitionAbsent},
	{on: handOverDone, in: except(PartitionHandingOver), impossible: "there is one answer to a hand-over"},
	{on: handOverFailed, in: only(PartitionHandingOver), to: PartitionDraining},
	{on: handOverFailed, in: except(PartitionHandingOver), impossible: "there is one answer to a hand-over"},
	{on: seekBegun, in: only(PartitionActive, PartitionDraining), to: PartitionSeeking},
	{on: seekBegun, in: except(PartitionActive, PartitionDraining), impossible: "a seek waits for the request before it, and is refused where nothing is assigned"},
	{on: seekDone, in: only(PartitionSeeking), to: PartitionActive},
	{on: seekDone, in: except(PartitionSeeking), impossible: "there is one answer to a seek"},
	{on: seekFailed, in: only(PartitionSeeking), to: PartitionActive},
	{on: seekFailed, in: except(PartitionSeeking), impossible: "there is one answer to a seek"},
	{on: seekReleased, in: only(PartitionSeeking), to: PartitionWaiting},
	{on: seekReleased, in: except(PartitionSeeking), impossible: "there is one answer to a seek"},
	{on: partitionLost, in: except(PartitionAbsent), to: PartitionAbsent},
	{on: partitionLost, in: only(PartitionAbsent), impossible: "it is not this member's"},
}

func only(states ...PartitionState) []PartitionState { return states }

func except(states ...PartitionState) (others []PartitionState) {
	for s := range partitionStates {
		if !slices.Contains(states, s) {
			others = append(others, s)
		}
	}
	return others
}

// next gives the state after an event, or why it can't happen.
func (t partitionStepTable) next(s PartitionState, on partitionEvent) (to PartitionState, impossible string) {
	for _, step := range t {
		if step.on == on && slices.Contains(step.in, s) {
			return step.to, step.impossible
		}
	}
	return s, "it is not in the table"
}
