package quota

// Used returns how many units the member has taken.
func (m *Member) Used() int {
	q := m.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	m.collect()
	return m.used
}
