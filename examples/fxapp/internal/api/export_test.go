package api

// NextEventID returns the id of the event of an entry after an event with the given id.
func NextEventID(id string, partition uint32, offset uint64) (next string, isNew bool, err error) {
	seen, err := parseLogPositions(id)
	if err != nil {
		return "", false, err
	}
	isNew = seen.add(partition, offset)
	return seen.String(), isNew, nil
}
