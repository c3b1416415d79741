package consumer

// Standalone describes a consumer without a group.
type Standalone struct {
	// Name is under which name offsets are stored. Without one nothing is
	// stored: acknowledging only makes room for the next messages.
	Name string
	// Partitions are the partitions to read; none means all, also those that
	// are added later.
	Partitions []uint32
	// Start is where reading begins. The zero Position is Stored.
	Start Position
}

// anonymous is the name with which a standalone consumer without one polls.
const anonymousName = "fetchbox-iggy"
