package link

// Live is the present session, or nil when there is none at the moment. It
// never waits.
func (l *Link) Live() *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session
}
