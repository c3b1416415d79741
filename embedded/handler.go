package embedded

// handler carries out a request whose body d reads. It appends the body of the answer to c.out.
type handler func(c *conn, d *decoder) Status

// The constructors below make the handlers of the table. Each checks a request in the order of the
// real server: the body is well formed, a user is logged in, the values are valid, the object
// exists, and the user has the permission for it.

// access says what a command does with the object that it is about.
type access uint8

const (
	// read only looks. An object that does not exist is answered with an empty body.
	read access = iota
	// use changes what an object contains: messages, offsets, members of groups.
	use
	// change changes what exists. No other command runs at the same time, and the new state is
	// written to the directory before the answer.
	change
)

// missing returns the answer when the look-up of the object failed with st.
func (a access) missing(st Status) Status {
	if a == read && st != StatusUnauthorized {
		return StatusOK
	}
	return st
}

// none is the body of a request that has no fields besides the object.
type none struct{}

func noFields(*decoder) none { return none{} }

// checkRequest checks a request after its whole body is decoded.
func (c *conn) checkRequest(d *decoder) Status {
	switch {
	case d.status != StatusOK:
		return d.status
	case c.user.Load() == noUser:
		return StatusUnauthenticated
	default:
		return d.invalid
	}
}

// withoutLogin makes the handler of a command that needs no login.
func withoutLogin[B any](decode func(*decoder) B, handle func(*conn, B) Status) handler {
	return func(c *conn, d *decoder) Status {
		body := decode(d)
		if d.status != StatusOK {
			return d.status
		}
		return handle(c, body)
	}
}

// onServer makes the handler of a command about the server or its clients.
func onServer[B any](allowed globalPermission, decode func(*decoder) B, handle func(*conn, B) Status) handler {
	return func(c *conn, d *decoder) Status {
		body := decode(d)
		if st := c.checkRequest(d); st != StatusOK {
			return st
		}
		if !c.allowed(allowed) {
			return StatusUnauthorized
		}
		return handle(c, body)
	}
}

// onUsers makes the handler of a command about users. The handler holds the lock of the users.
func onUsers[B any](
	a access, allowed globalPermission, decode func(*decoder) B, handle func(*conn, *users, B) Status,
) handler {
	return func(c *conn, d *decoder) Status {
		body := decode(d)
		if st := c.checkRequest(d); st != StatusOK {
			return st
		}
		if !c.allowed(allowed) {
			return StatusUnauthorized
		}
		return c.withUsers(a, func(us *users) Status { return handle(c, us, body) })
	}
}

// onOwnUser makes the handler of a command about the user that is logged in. The handler holds the
// lock of the users.
func onOwnUser[B any](a access, decode func(*decoder) B, handle func(*conn, *user, B) Status) handler {
	return func(c *conn, d *decoder) Status {
		body := decode(d)
		if st := c.checkRequest(d); st != StatusOK {
			return st
		}
		return c.withUsers(a, func(us *users) Status {
			u := us.byID.get(c.user.Load())
			if u == nil {
				return StatusResourceNotFound
			}
			return handle(c, u, body)
		})
	}
}

// onCatalog makes the handler of a command about all streams. The handler holds the lock of the
// catalog, as do those of the constructors below.
func onCatalog[B any](
	a access, allowed globalPermission, decode func(*decoder) B, handle func(*conn, B) Status,
) handler {
	return func(c *conn, d *decoder) Status {
		body := decode(d)
		if st := c.checkRequest(d); st != StatusOK {
			return st
		}
		if !c.allowed(allowed) {
			return StatusUnauthorized
		}
		return c.withCatalog(a, func() Status { return handle(c, body) })
	}
}

// onStream makes the handler of a command about one stream. Its body begins with
// `[identifier stream]`.
func onStream[B any](
	a access, allowed streamPermission, decode func(*decoder) B, handle func(*conn, *stream, B) Status,
) handler {
	return func(c *conn, d *decoder) Status {
		id, body := d.identifier(), decode(d)
		if st := c.checkRequest(d); st != StatusOK {
			return st
		}
		return c.withCatalog(a, func() Status {
			s, st := c.findStream(id, allowed)
			if st != StatusOK {
				return a.missing(st)
			}
			return handle(c, s, body)
		})
	}
}

// onTopic makes the handler of a command about one topic. Its body begins with
// `[identifier stream][identifier topic]`.
func onTopic[B any](
	a access, allowed topicPermission, decode func(*decoder) B, handle func(*conn, *topic, B) Status,
) handler {
	return func(c *conn, d *decoder) Status {
		id, body := d.topicID(), decode(d)
		if st := c.checkRequest(d); st != StatusOK {
			return st
		}
		return c.withCatalog(a, func() Status {
			t, st := c.findTopic(id, allowed)
			if st != StatusOK {
				return a.missing(st)
			}
			return handle(c, t, body)
		})
	}
}

// onPartition makes the handler of a command that writes to the files of one partition. Its body
// begins with `[identifier stream][identifier topic][u32 partition]`. The handler holds no lock.
func onPartition[B any](
	allowed topicPermission, decode func(*decoder) B, handle func(*conn, *partition, B) Status,
) handler {
	return func(c *conn, d *decoder) Status {
		topicID, partitionID, body := d.topicID(), d.u32(), decode(d)
		if st := c.checkRequest(d); st != StatusOK {
			return st
		}
		var p *partition
		st := c.withCatalog(use, func() Status {
			t, st := c.findTopic(topicID, allowed)
			if st != StatusOK {
				return st
			}
			if p = t.partition(partitionID & partitionMask); p == nil {
				return StatusPartitionNotFound
			}
			return StatusOK
		})
		if st != StatusOK {
			return st
		}
		return handle(c, p, body)
	}
}

// onGroup makes the handler of a command about one consumer group. Its body is
// `[identifier stream][identifier topic][identifier group]`. Whoever may read the topic may do
// everything with its groups.
func onGroup(a access, handle func(*conn, *topic, *group) Status) handler {
	return func(c *conn, d *decoder) Status {
		topicID, groupID := d.topicID(), d.identifier()
		if st := c.checkRequest(d); st != StatusOK {
			return st
		}
		return c.withCatalog(a, func() Status {
			t, g, st := c.server.catalog.findGroup(topicID, groupID)
			if st == StatusOK && !c.allowedOnTopic(canReadTopic, t) {
				st = StatusUnauthorized
			}
			if st != StatusOK {
				return a.missing(st)
			}
			return handle(c, t, g)
		})
	}
}

// onConsumer makes the handler of a command about a consumer and one partition. Its body begins
// with `[consumer][identifier stream][identifier topic][u8 present][u32 partition]`.
func onConsumer[B any](
	a access, decode func(*decoder) B, handle func(*conn, *topic, consumerPartition, B) Status,
) handler {
	return func(c *conn, d *decoder) Status {
		who, topicID, partition := d.consumer(), d.topicID(), d.optionalPartition()
		body := decode(d)
		if st := c.checkRequest(d); st != StatusOK {
			return st
		}
		return c.withCatalog(a, func() Status {
			t, st := c.findTopic(topicID, canPoll)
			if st != StatusOK {
				return a.missing(st)
			}
			return handle(c, t, consumerPartition{who, partition}, body)
		})
	}
}

// withCatalog runs f with the lock of the catalog.
func (c *conn) withCatalog(a access, f func() Status) Status {
	cat := c.server.catalog
	if a != change {
		cat.mu.RLock()
		defer cat.mu.RUnlock()
		return f()
	}
	st := func() Status {
		cat.mu.Lock()
		defer cat.mu.Unlock()
		return f()
	}()
	if st != StatusOK {
		return st
	}
	return c.server.saveChange()
}

// withUsers runs f with the lock of the users. A change of users counts as one of the metadata.
func (c *conn) withUsers(a access, f func(*users) Status) Status {
	us := c.server.users
	if a != change {
		us.mu.RLock()
		defer us.mu.RUnlock()
		return f(us)
	}
	st := func() Status {
		us.mu.Lock()
		defer us.mu.Unlock()
		return f(us)
	}()
	if st != StatusOK {
		return st
	}
	c.server.catalog.countChanges(1)
	return c.server.saveChange()
}

// findStream finds a stream for which the user has the permission. It needs the lock of the
// catalog.
func (c *conn) findStream(id identifier, allowed streamPermission) (*stream, Status) {
	s := c.server.catalog.findStream(id)
	if s == nil {
		return nil, StatusStreamNotFound
	}
	if !c.allowedOnStream(allowed, s) {
		return nil, StatusUnauthorized
	}
	return s, StatusOK
}

// findTopic finds a topic for which the user has the permission. It needs the lock of the catalog.
func (c *conn) findTopic(id topicID, allowed topicPermission) (*topic, Status) {
	t, st := c.server.catalog.findTopic(id)
	if st != StatusOK {
		return nil, st
	}
	if !c.allowedOnTopic(allowed, t) {
		return nil, StatusUnauthorized
	}
	return t, StatusOK
}
