package group

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each event in each state is handled, or it is said why it is not, exactly once.
func TestEachEventHasOneRowInEachState(t *testing.T) {
	t.Parallel()
	for kind := range eventKinds {
		for state := range Ended {
			rows := 0
			for _, row := range transitions {
				if row.on != kind || !row.in.has(state) {
					continue
				}
				rows++
				said := 0
				for _, yes := range []bool{row.do != nil, row.ignored != "", row.impossible != ""} {
					if yes {
						said++
					}
				}
				require.Equal(t, 1, said, "%s in %s", kind, state)
				require.True(t, row.do != nil || row.to == 0, "%s in %s leads somewhere without doing anything", kind, state)
			}
			require.Equal(t, 1, rows, "%s in %s", kind, state)
		}
		require.NotEmpty(t, transitions.find(Ended, kind).impossible)
	}
}

// Each state is reached from the first one, and leads to the end.
func TestEachStateIsReachedAndLeft(t *testing.T) {
	t.Parallel()
	next := func(s State) (to states) {
		for _, row := range transitions {
			if row.in.has(s) {
				to |= row.to
			}
		}
		return to | activities[s].to
	}
	reach := func(s State) states {
		seen := in(s)
		for grown := true; grown; {
			grown = false
			for one := range stateCount {
				if more := seen | next(one); seen.has(one) && more != seen {
					seen, grown = more, true
				}
			}
		}
		return seen
	}
	require.Equal(t, from(Disconnected, Ended), reach(Disconnected))
	for s := range stateCount {
		require.NotEmpty(t, s.String())
		require.True(t, reach(s).has(Ended), "%s never ends", s)
		require.True(t, activities[s].begin != nil || activities[s].do != nil, "%s does nothing", s)
		require.Zero(t, next(Ended))
	}
}

// A stop and the end of a session lead on from each state at once.
func TestStopAndLossWaitForNoState(t *testing.T) {
	t.Parallel()
	for s := range Ended {
		switch row := transitions.find(s, stopRequested); {
		case s.stopping():
			require.NotEmpty(t, row.ignored)
		default:
			require.False(t, row.to.has(s), "a stop leaves %s", s)
			require.NotZero(t, row.to&from(StopDraining, Ended), "a stop in %s", s)
		}
		if s != Disconnected {
			require.NotZero(t, transitions.find(s, sessionLost).to, "the loss of the session in %s", s)
		}
		require.True(t, transitions.find(s, closeRequested).to.has(Ended))
	}
}

// Each event of a partition has a row in each of its states, exactly once.
func TestEachPartitionEventHasOneRowInEachState(t *testing.T) {
	t.Parallel()
	reached := map[PartitionState]bool{PartitionAbsent: true}
	for on := range partitionEvents {
		require.NotEmpty(t, on.String())
		for state := range partitionStates {
			rows := 0
			for _, row := range partitionTable {
				if row.on == on && slices.Contains(row.in, state) {
					rows++
					require.True(t, row.impossible == "" || row.to == PartitionAbsent, "%s in %s is impossible and leads on", on, state)
					if row.impossible == "" {
						reached[row.to] = true
					}
				}
			}
			require.Equal(t, 1, rows, "%s in %s", on, state)
		}
	}
	require.Len(t, reached, int(partitionStates))
}
