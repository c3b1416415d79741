package embedded

// handlers declares for each command which object it is about, how it uses that object, which
// permission it needs, how the rest of its body is decoded, and the method that carries it out.
// SendMessages is missing: its body is decoded while it arrives, see [conn.readSend].
var handlers = map[Command]handler{
	Ping:           withoutLogin(noFields, (*conn).ping),
	LoginUser:      withoutLogin((*decoder).loginRequest, (*conn).loginUser),
	LoginWithToken: withoutLogin((*decoder).name, (*conn).loginWithToken),
	LogoutUser:     onServer(anyone, noFields, (*conn).logoutUser),

	GetStats:           onServer(canReadServer, noFields, (*conn).getStats),
	GetSnapshot:        onServer(anyone, (*decoder).snapshotRequest, (*conn).getSnapshot),
	GetClusterMetadata: onServer(anyone, noFields, (*conn).getClusterMetadata),
	GetMe:              onServer(anyone, noFields, (*conn).getMe),
	GetClient:          onServer(canReadServer, (*decoder).u32, (*conn).getClient),
	GetClients:         onServer(canReadServer, noFields, (*conn).getClients),

	GetUser:           onUsers(read, anyone, (*decoder).identifier, (*conn).getUser),
	GetUsers:          onUsers(read, canReadUsers, noFields, (*conn).getUsers),
	CreateUser:        onUsers(change, canManageUsers, (*decoder).createUserRequest, (*conn).createUser),
	DeleteUser:        onUsers(change, canManageUsers, (*decoder).identifier, (*conn).deleteUser),
	UpdateUser:        onUsers(change, canManageUsers, (*decoder).updateUserRequest, (*conn).updateUser),
	UpdatePermissions: onUsers(change, canManageUsers, (*decoder).updatePermissionsRequest, (*conn).updatePermissions),
	ChangePassword:    onUsers(change, anyone, (*decoder).changePasswordRequest, (*conn).changePassword),

	GetTokens:   onOwnUser(read, noFields, (*conn).getTokens),
	CreateToken: onOwnUser(change, (*decoder).createTokenRequest, (*conn).createToken),
	DeleteToken: onOwnUser(change, (*decoder).name, (*conn).deleteToken),

	GetStreams:   onCatalog(read, canReadStreams, noFields, (*conn).getStreams),
	CreateStream: onCatalog(change, canManageStreams, (*decoder).name, (*conn).createStream),
	GetStream:    onStream(read, canReadStream, noFields, (*conn).getStream),
	DeleteStream: onStream(change, canManageStream, noFields, (*conn).deleteStream),
	UpdateStream: onStream(change, canManageStream, (*decoder).name, (*conn).updateStream),
	PurgeStream:  onStream(use, canManageStream, noFields, (*conn).purgeStream),

	GetTopics:   onStream(read, canReadTopics, noFields, (*conn).getTopics),
	CreateTopic: onStream(change, canManageTopics, (*decoder).createTopicRequest, (*conn).createTopic),
	GetTopic:    onTopic(read, canReadTopic, noFields, (*conn).getTopic),
	DeleteTopic: onTopic(change, canManageTopic, noFields, (*conn).deleteTopic),
	UpdateTopic: onTopic(change, canManageTopic, (*decoder).topicSettings, (*conn).updateTopic),
	PurgeTopic:  onTopic(use, canManageTopic, noFields, (*conn).purgeTopic),

	CreatePartitions:   onTopic(change, canManageTopic, (*decoder).createPartitionsCount, (*conn).createPartitions),
	DeletePartitions:   onTopic(change, canManageTopic, (*decoder).deletePartitionsCount, (*conn).deletePartitions),
	DeleteSegments:     onTopic(use, anyoneOnTopic, (*decoder).deleteSegmentsRequest, (*conn).deleteSegments),
	FlushUnsavedBuffer: onPartition(canSend, (*decoder).flag, (*conn).flushUnsavedBuffer),

	PollMessages: onConsumer(use, (*decoder).pollRequest, (*conn).pollMessages),
	GetOffset:    onConsumer(read, noFields, (*conn).getOffset),
	StoreOffset:  onConsumer(use, (*decoder).u64, (*conn).storeOffset),
	DeleteOffset: onConsumer(use, noFields, (*conn).deleteOffset),

	GetGroups:   onTopic(read, canReadTopic, noFields, (*conn).getGroups),
	CreateGroup: onTopic(change, canReadTopic, (*decoder).name, (*conn).createGroup),
	GetGroup:    onGroup(read, (*conn).getGroup),
	DeleteGroup: onGroup(change, (*conn).deleteGroup),
	JoinGroup:   onGroup(use, (*conn).joinGroup),
	LeaveGroup:  onGroup(use, (*conn).leaveGroup),
}

// runCommand carries out a request other than a send and returns the status of the answer.
func (c *conn) runCommand(command Command, body []byte) Status {
	handle := handlers[command]
	if handle == nil {
		return StatusInvalidCommand
	}
	c.decoder = decoder{buf: body}
	return handle(c, &c.decoder)
}
