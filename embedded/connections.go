package embedded

// maxNoLogin bounds the connections that are not logged in, and with them the memory that the server
// spends on strangers.
const maxNoLogin = 1024

// connections are the open connections of a server, under its lock.
type connections struct {
	accepted uint64
	all      map[*conn]struct{}
	// noLogin are those that are not logged in, numbered in the order in which that began.
	noLogin  map[*conn]uint64
	noLogins uint64
}

func newConnections() connections {
	return connections{all: map[*conn]struct{}{}, noLogin: map[*conn]uint64{}}
}

func (cs *connections) remove(c *conn) {
	delete(cs.all, c)
	delete(cs.noLogin, c)
}

// setLogin notes whether the client of a connection is logged in. When too many are not, it returns
// the one that is so for the longest time, which the caller must close.
func (cs *connections) setLogin(c *conn, loggedIn bool) (surplus *conn) {
	if loggedIn {
		delete(cs.noLogin, c)
		return nil
	}
	cs.noLogins++
	cs.noLogin[c] = cs.noLogins
	if len(cs.noLogin) <= maxNoLogin {
		return nil
	}
	surplus = c
	for other, number := range cs.noLogin {
		if number < cs.noLogin[surplus] {
			surplus = other
		}
	}
	delete(cs.noLogin, surplus)
	return surplus
}

// setLogin notes whether the client of a connection is logged in.
func (s *Server) setLogin(c *conn, loggedIn bool) {
	s.mu.Lock()
	surplus := s.conns.setLogin(c, loggedIn)
	s.mu.Unlock()
	if surplus != nil {
		surplus.close(false)
	}
}
