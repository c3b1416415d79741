package commit

// Prefix is the acknowledged prefix of an assignment: what a commit may cover.
type Prefix struct {
	// Seq is how many messages of the assignment are acknowledged without a gap.
	Seq uint64
	// Offset is the offset of the last of them, or the one that was committed before the
	// assignment.
	Offset uint64
	// Timestamp is when the server stored that message, in microseconds since the epoch; 0 when it
	// was not delivered in this assignment.
	Timestamp uint64
	// Any tells that Offset is set.
	Any bool
}
