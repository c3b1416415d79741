package admission

// Len returns the number of hosts and jobs that are known.
func (a *Admission) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.byID)
}
