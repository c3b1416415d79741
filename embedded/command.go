package embedded

import "strconv"

// Command is the code of a request, the second field of its frame.
type Command uint32

// The commands of the protocol of Iggy 0.8.0.
const (
	Ping               Command = 1
	GetStats           Command = 10
	GetSnapshot        Command = 11
	GetClusterMetadata Command = 12
	GetMe              Command = 20
	GetClient          Command = 21
	GetClients         Command = 22
	GetUser            Command = 31
	GetUsers           Command = 32
	CreateUser         Command = 33
	DeleteUser         Command = 34
	UpdateUser         Command = 35
	UpdatePermissions  Command = 36
	ChangePassword     Command = 37
	LoginUser          Command = 38
	LogoutUser         Command = 39
	GetTokens          Command = 41
	CreateToken        Command = 42
	DeleteToken        Command = 43
	LoginWithToken     Command = 44
	PollMessages       Command = 100
	SendMessages       Command = 101
	FlushUnsavedBuffer Command = 102
	GetOffset          Command = 120
	StoreOffset        Command = 121
	DeleteOffset       Command = 122
	GetStream          Command = 200
	GetStreams         Command = 201
	CreateStream       Command = 202
	DeleteStream       Command = 203
	UpdateStream       Command = 204
	PurgeStream        Command = 205
	GetTopic           Command = 300
	GetTopics          Command = 301
	CreateTopic        Command = 302
	DeleteTopic        Command = 303
	UpdateTopic        Command = 304
	PurgeTopic         Command = 305
	CreatePartitions   Command = 402
	DeletePartitions   Command = 403
	DeleteSegments     Command = 503
	GetGroup           Command = 600
	GetGroups          Command = 601
	CreateGroup        Command = 602
	DeleteGroup        Command = 603
	JoinGroup          Command = 604
	LeaveGroup         Command = 605
)

var commandNames = map[Command]string{
	Ping: "ping", GetStats: "get stats", GetSnapshot: "get snapshot", GetClusterMetadata: "get cluster metadata",
	GetMe: "get me", GetClient: "get client", GetClients: "get clients", GetUser: "get user", GetUsers: "get users",
	CreateUser: "create user", DeleteUser: "delete user", UpdateUser: "update user",
	UpdatePermissions: "update permissions", ChangePassword: "change password", LoginUser: "login user",
	LogoutUser: "logout user", GetTokens: "get tokens", CreateToken: "create token", DeleteToken: "delete token",
	LoginWithToken: "login with token", PollMessages: "poll messages", SendMessages: "send messages",
	FlushUnsavedBuffer: "flush unsaved buffer", GetOffset: "get offset", StoreOffset: "store offset",
	DeleteOffset: "delete offset", GetStream: "get stream", GetStreams: "get streams", CreateStream: "create stream",
	DeleteStream: "delete stream", UpdateStream: "update stream", PurgeStream: "purge stream", GetTopic: "get topic",
	GetTopics: "get topics", CreateTopic: "create topic", DeleteTopic: "delete topic", UpdateTopic: "update topic",
	PurgeTopic: "purge topic", CreatePartitions: "create partitions", DeletePartitions: "delete partitions",
	DeleteSegments: "delete segments", GetGroup: "get group", GetGroups: "get groups", CreateGroup: "create group",
	DeleteGroup: "delete group", JoinGroup: "join group", LeaveGroup: "leave group",
}

// String returns the name of the command, or its number.
func (c Command) String() string {
	if name, ok := commandNames[c]; ok {
		return name
	}
	return "command " + strconv.FormatUint(uint64(c), 10)
}
