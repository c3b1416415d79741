package config

// Host is host.
func (i Iggy) Host() string { return i.host() }

// Validate returns the faults of one cluster.
func (c Cluster) Validate() error {
	f := newFaults("")
	c.validate(f, used)
	return f.err()
}

// Validate returns the faults of the section topics.
func (t Topics) Validate() error {
	f := newFaults("topics")
	t.validate(f)
	return f.err()
}
