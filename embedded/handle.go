package embedded

// handle lets a request other than a send take effect. It appends the body of the answer to c.out; parts are more of
// the body, of size bytes, not copied. Bodies are decoded before it is checked who asks, as on the real server.
func (c *conn) handle(command Command, body []byte) (st Status, parts [][]byte, size int) {
	d := &decoder{buf: body}
	switch command {
	case PollMessages:
		return c.pollMessages(d)
	case Ping:
		return StatusOK, nil, 0
	case LoginUser:
		return c.loginUser(d), nil, 0
	case LoginWithToken:
		return c.loginWithToken(d), nil, 0
	}
	handler := handlerOf(command)
	if handler == nil {
		return StatusInvalidCommand, nil, 0
	}
	st = handler(c, d)
	if st == StatusOK && c.server.store != nil && changesState(command) {
		st = c.server.saveChange()
	}
	return st, nil, 0
}

// handlerOf returns nil for an unknown command. Every handler checks the login itself, after it has decoded the body.
func handlerOf(command Command) func(*conn, *decoder) Status {
	switch command {
	case LogoutUser:
		return (*conn).logoutUser
	case GetStats:
		return (*conn).getStats
	case GetSnapshot:
		return (*conn).getSnapshot
	case GetClusterMetadata:
		return (*conn).getClusterMetadata
	case GetMe:
		return (*conn).getMe
	case GetClient:
		return (*conn).getClient
	case GetClients:
		return (*conn).getClients
	case GetUser:
		return (*conn).getUser
	case GetUsers:
		return (*conn).getUsers
	case CreateUser:
		return (*conn).createUser
	case DeleteUser:
		return (*conn).deleteUser
	case UpdateUser:
		return (*conn).updateUser
	case UpdatePermissions:
		return (*conn).updatePermissions
	case ChangePassword:
		return (*conn).changePassword
	case GetTokens:
		return (*conn).getTokens
	case CreateToken:
		return (*conn).createToken
	case DeleteToken:
		return (*conn).deleteToken
	case FlushUnsavedBuffer:
		return (*conn).flushUnsavedBuffer
	case GetOffset:
		return (*conn).getOffset
	case StoreOffset:
		return (*conn).storeOffset
	case DeleteOffset:
		return (*conn).deleteOffset
	case GetStream:
		return (*conn).getStream
	case GetStreams:
		return (*conn).getStreams
	case CreateStream:
		return (*conn).createStream
	case DeleteStream:
		return (*conn).deleteStream
	case UpdateStream:
		return (*conn).updateStream
	case PurgeStream:
		return (*conn).purgeStream
	case GetTopic:
		return (*conn).getTopic
	case GetTopics:
		return (*conn).getTopics
	case CreateTopic:
		return (*conn).createTopic
	case DeleteTopic:
		return (*conn).deleteTopic
	case UpdateTopic:
		return (*conn).updateTopic
	case PurgeTopic:
		return (*conn).purgeTopic
	case CreatePartitions:
		return (*conn).createPartitions
	case DeletePartitions:
		return (*conn).deletePartitions
	case DeleteSegments:
		return (*conn).deleteSegments
	case GetGroup:
		return (*conn).getGroup
	case GetGroups:
		return (*conn).getGroups
	case CreateGroup:
		return (*conn).createGroup
	case DeleteGroup:
		return (*conn).deleteGroup
	case JoinGroup:
		return (*conn).joinGroup
	case LeaveGroup:
		return (*conn).leaveGroup
	default:
		return nil
	}
}

// admit checks a decoded request: first the decoding, then the login.
func (c *conn) admit(d *decoder) Status {
	if d.status != StatusOK {
		return d.status
	}
	if c.user.Load() == noUser {
		return StatusUnauthenticated
	}
	return StatusOK
}
