package group

import "slices"

// State is the state of a machine.
type State uint8

const (
	// Disconnected waits for a session.
	Disconnected State = iota
	// Joining has a session and joins the group.
	Joining
	// Active fetches and delivers what is assigned.
	Active

	// FindingCoordinator joins the coordination group, since the shares of the members are unequal,
	// and reads who the coordinator of the rebalance is.
	FindingCoordinator
	// Dialling is the coordinator, and connects the transient member.
	Dialling
	// WaitingForParticipants is the coordinator, and waits until all participants but one are drained.
	// It fetches and delivers meanwhile.
	WaitingForParticipants
	// CoordinatorDraining waits for its own messages in flight.
	CoordinatorDraining
	// CoordinatorCommitting commits the acknowledged prefixes.
	CoordinatorCommitting
	// WaitingForLastParticipant waits until all participants are drained.
	WaitingForLastParticipant
	// Redistributing has the transient member join and leave, with which all partitions are
	// assigned anew.
	Redistributing

	// ParticipantDraining waits for its messages in flight, since another member began a rebalance.
	ParticipantDraining
	// ParticipantCommitting commits the acknowledged prefixes.
	ParticipantCommitting
	// Announcing joins the coordination group, which says that this member is drained.
	Announcing
	// WaitingForCoordinator waits for the partitions to be assigned anew.
	WaitingForCoordinator

	// Resuming leaves the coordination group and learns what is assigned now.
	Resuming

	// StopDraining waits for the messages in flight, since the consumer stops.
	StopDraining
	// StopCommitting commits the acknowledged prefixes.
	StopCommitting
	// StopAnnouncing joins the coordination group, which says that this member is about to leave.
	StopAnnouncing
	// StopWaiting waits for the other members to drain.
	StopWaiting
	// LeavingGroups leaves the groups that were joined.
	LeavingGroups
	// Ended is the last state: the loop ends.
	Ended

	stateCount
)

var stateNames = [stateCount]string{
	"disconnected", "joining", "active",
	"finding coordinator", "dialling", "waiting for participants", "coordinator draining", "coordinator committing", "waiting for last participant", "redistributing",
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

// transition says what an event does in some states: it is handled, ignored, or impossible.
type transition struct {
	on         eventKind
	in         states
	do         func(*member, event) State
	to         states // the states to which do may lead, besides the present one
	ignored    string // why
	impossible string // why
}

// The reasons of several rows.
const (
	dropped = "it belongs to a state that was left, and is dropped before the table is read"
	hasOne  = "a new session is requested only when there is none"
	late    = "the assignment that it is about has ended"
)

type transitionTable []transition

// transitions is the table of the machine: each event in each state, exactly once.
var transitions = transitionTable{
	// The session.
	{on: sessionGained, in: in(Disconnected), do: sessionReceived},
	{on: sessionGained, in: notEnded &^ in(Disconnected), impossible: hasOne},
	{on: sessionFailed, in: in(Disconnected), do: noMoreSessions, to: in(Ended)},
	{on: sessionFailed, in: notEnded &^ in(Disconnected), impossible: hasOne},
	{on: sessionLost, in: in(Joining) | joinedStates, do: sessionEnded, to: in(Disconnected)},
	{on: sessionLost, in: stoppingStates, do: sessionEnded, to: in(Ended)},
	{on: sessionLost, in: in(Disconnected), impossible: "there is none"},

	// Commands.
	{on: stopRequested, in: in(Disconnected), do: endAtOnce, to: in(Ended)},
	{on: stopRequested, in: in(Joining), do: stopWhileJoining, to: in(LeavingGroups, Ended)},
	{on: stopRequested, in: joinedStates, do: stopBegins, to: in(StopDraining)},
	{on: stopRequested, in: stoppingStates, ignored: "it is stopping already"},
	{on: drainTimeOver, in: notEnded, do: drainTimeIsOver},
	{on: closeRequested, in: notEnded, do: closeMachine, to: in(Ended)},
	{on: seekRequested, in: in(Disconnected, Joining) | joinedStates, do: seekCommand},
	{on: seekRequested, in: stoppingStates, do: seekAfterStop},
	{on: seekCancelled, in: notEnded, do: seekWithdrawn},
	{on: pauseRequested, in: notEnded, do: pauseCommand},

	// Notifications.
	{on: drained, in: notEnded, ignored: "the activity of the state reads what is drained after each event"},
	{on: verifyNeeded, in: joinedStates, do: verifyCommand},
	{on: verifyNeeded, in: in(Disconnected, Joining), ignored: late},
	{on: verifyNeeded, in: stoppingStates, ignored: "nothing is fetched any more"},
	{on: refused, in: joinedStates, do: refusedByServer, to: in(Joining)},
	{on: refused, in: stoppingStates, do: refusedByServer, to: in(LeavingGroups, Ended)},
	{on: refused, in: in(Disconnected, Joining), ignored: late},

	// Time.
	{on: timerExpired, in: notEnded, ignored: "the activity of the state reads the clock after each event"},

	// Answers to the requests of a state.
	{on: joinAnswered, in: in(Joining), do: joined, to: in(Active)},
	{on: joinAnswered, in: notEnded &^ in(Joining), impossible: dropped},
	{on: surveyed, in: in(Active), do: surveyAnswered, to: in(Joining)},
	{on: surveyed, in: notEnded &^ in(Active), impossible: dropped},
	{on: verified, in: in(Active), do: verifyAnswered, to: in(Joining)},
	{on: verified, in: notEnded &^ in(Active), impossible: dropped},
	{on: membersRead, in: in(Active), do: membersAnswered, to: in(FindingCoordinator, ParticipantDraining)},
	{on: membersRead, in: in(WaitingForParticipants), do: participantsCounted, to: in(CoordinatorDraining)},
	{on: membersRead, in: in(WaitingForLastParticipant), do: lastParticipantCounted, to: in(Redistributing)},
	{on: membersRead, in: in(ParticipantDraining, WaitingForCoordinator), do: participantAnswered, to: in(Resuming)},
	{on: membersRead, in: in(StopWaiting), do: othersAnswered, to: in(LeavingGroups)},
	{on: membersRead, in: notEnded &^ in(Active, WaitingForParticipants, WaitingForLastParticipant, ParticipantDraining, WaitingForCoordinator, StopWaiting), impossible: dropped},
	{on: coordinatorRead, in: in(FindingCoordinator), do: coordinatorAnswered, to: in(Dialling, ParticipantDraining, Resuming)},
	{on: coordinatorRead, in: notEnded &^ in(FindingCoordinator), impossible: dropped},
	{on: dialled, in: in(Dialling), do: dialAnswered, to: in(WaitingForParticipants, Resuming)},
	{on: dialled, in: notEnded &^ in(Dialling), impossible: dropped},
	{on: committed, in: in(CoordinatorCommitting), do: coordinatorCommitted, to: in(WaitingForLastParticipant)},
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

	// Answers to the requests for a partition, which may arrive in any state.
	{on: prepareEnded, in: notEnded, do: prepareAnswered},
	{on: handOverEnded, in: in(Disconnected, Joining), do: handOverAnswered},
	{on: handOverEnded, in: joinedStates, do: handOverAnswered, to: in(Joining)},
	{on: handOverEnded, in: stoppingStates, do: handOverAnswered, to: in(LeavingGroups, Ended)},
	{on: seekEnded, in: notEnded, do: seekAnswered},
}

// find returns what an event does in a state.
func (t transitionTable) find(s State, on eventKind) transition {
	for _, row := range t {
		if row.on == on && row.in.has(s) {
			return row
		}
	}
	return transition{impossible: "the loop has ended"}
}

// activity is what a machine does in a state: begin once when the state begins, and do after each
// event. It makes the requests that are due, and may lead to another state.
type activity struct {
	begin func(*member)
	do    func(*member) State
	to    states
}

var activities = [stateCount]activity{
	Disconnected: {do: connect, to: in(Joining, Active)},
	Joining:      {do: join},
	Active:       {begin: startAll, do: probeServer},

	FindingCoordinator:        {begin: findCoordinator},
	Dialling:                  {begin: dial},
	WaitingForParticipants:    {do: waitForParticipants, to: in(CoordinatorDraining)},
	CoordinatorDraining:       {begin: drainAll, do: drainCoordinator, to: in(CoordinatorCommitting)},
	CoordinatorCommitting:     {begin: commitCoordinator},
	WaitingForLastParticipant: {do: waitForLastParticipant, to: in(Redistributing)},
	Redistributing:            {begin: redistribute},

	ParticipantDraining:   {begin: drainAll, do: drainParticipant, to: in(ParticipantCommitting, Resuming)},
	ParticipantCommitting: {begin: commitAll},
	Announcing:            {begin: announce},
	WaitingForCoordinator: {do: waitForCoordinator, to: in(Resuming)},

	Resuming: {begin: resume},

	StopDraining:   {begin: beginStop, do: drainBeforeStop, to: in(StopCommitting)},
	StopCommitting: {begin: commitAll},
	StopAnnouncing: {begin: announceStop, do: waitForAnnouncement, to: in(LeavingGroups)},
	StopWaiting:    {do: waitForOthers, to: in(LeavingGroups)},
	LeavingGroups:  {begin: leaveGroups},
	Ended:          {begin: endAll},
}

// partitionStep says what an event does to a partition.
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
	{on: prepareBegun, in: only(PartitionWaiting), to: PartitionPreparing},
	{on: prepareBegun, in: except(PartitionWaiting), impossible: "only a waiting partition is prepared"},
	{on: prepareDone, in: only(PartitionPreparing), to: PartitionActive},
	{on: prepareDone, in: except(PartitionPreparing), impossible: "there is one answer to a claim, and no other event before it except a loss"},
	{on: prepareFailed, in: only(PartitionPreparing), to: PartitionWaiting},
	{on: prepareFailed, in: except(PartitionPreparing), impossible: "there is one answer to a claim, and no other event before it except a loss"},
	{on: changeFound, in: only(PartitionActive, PartitionDraining), to: PartitionWaiting},
	{on: changeFound, in: except(PartitionActive, PartitionDraining), impossible: "only active partitions are verified, and only draining ones are restarted after their time is over"},
	{on: drainBegun, in: only(PartitionActive), to: PartitionDraining},
	{on: drainBegun, in: except(PartitionActive), impossible: "the others drain already, or are decided about when their request has ended"},
	{on: reassignmentCancelled, in: only(PartitionDraining), to: PartitionActive},
	{on: reassignmentCancelled, in: except(PartitionDraining), impossible: "the server was not about to move the others"},
	{on: handOverBegun, in: only(PartitionDraining), to: PartitionHandingOver},
	{on: handOverBegun, in: except(PartitionDraining), impossible: "a partition drains before it is handed over"},
	{on: handOverDone, in: only(PartitionHandingOver), to: PartitionAbsent},
	{on: handOverDone, in: except(PartitionHandingOver), impossible: "there is one answer to a handover"},
	{on: handOverFailed, in: only(PartitionHandingOver), to: PartitionDraining},
	{on: handOverFailed, in: except(PartitionHandingOver), impossible: "there is one answer to a handover"},
	{on: seekBegun, in: only(PartitionActive, PartitionDraining), to: PartitionSeeking},
	{on: seekBegun, in: except(PartitionActive, PartitionDraining), impossible: "a seek waits for the request before it, and is refused where nothing is assigned"},
	{on: seekDone, in: only(PartitionSeeking), to: PartitionActive},
	{on: seekDone, in: except(PartitionSeeking), impossible: "there is one answer to a seek"},
	{on: seekFailed, in: only(PartitionSeeking), to: PartitionActive},
	{on: seekFailed, in: except(PartitionSeeking), impossible: "there is one answer to a seek"},
	{on: seekReleased, in: only(PartitionSeeking), to: PartitionWaiting},
	{on: seekReleased, in: except(PartitionSeeking), impossible: "there is one answer to a seek"},
	{on: partitionLost, in: except(PartitionAbsent), to: PartitionAbsent},
	{on: partitionLost, in: only(PartitionAbsent), impossible: "it is not assigned to this member"},
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

// next returns the state after an event, or why the event is impossible.
func (t partitionStepTable) next(s PartitionState, on partitionEvent) (to PartitionState, impossible string) {
	for _, step := range t {
		if step.on == on && slices.Contains(step.in, s) {
			return step.to, step.impossible
		}
	}
	return s, "it is not in the table"
}
