package embedded

import (
	"crypto/tls"
	"time"

	"go.uber.org/zap"
)

// Defaults of a server that is started without options.
const (
	DefaultUsername  = "iggy"
	DefaultPassword  = "iggy"
	DefaultRetention = 256 << 20

	defaultAddress         = "127.0.0.1:0"
	defaultHandoverTimeout = 30 * time.Second
	defaultWriteTimeout    = time.Minute
	defaultLoginTimeout    = 30 * time.Second
)

type options struct {
	address         string
	username        string
	password        string
	log             *zap.Logger
	dir             string
	tls             *tls.Config
	handoverTimeout time.Duration
	writeTimeout    time.Duration
	retention       int64
	save            saveSettings
	loginTimeout    time.Duration
	clock           func() time.Time
	migration       bool
	purgeSavedOnly  bool
	cluster         func() Cluster
}

// Option changes a server before it starts.
type Option func(*options)

// WithAddress sets the address to listen on, "host:port". Default: "127.0.0.1:0", a free port of
// the loopback interface. A server that replaces an earlier one at the same place is started with
// the [Server.Endpoint] of that one.
func WithAddress(address string) Option { return func(o *options) { o.address = address } }

// WithCredentials sets the name and the password of the root user. Default: [DefaultUsername] and
// [DefaultPassword]. In a directory that another server has written, the stored password applies,
// and the log says so when it is another one.
func WithCredentials(username, password string) Option {
	return func(o *options) { o.username, o.password = username, password }
}

// WithLogger sets the logger. Default: nil, which means none. Connections and handovers are logged
// at debug, data lost at start at warn.
func WithLogger(log *zap.Logger) Option { return func(o *options) { o.log = log } }

// WithDirectory keeps the server's state in this directory, which is created when it is missing.
// The next server that is started with it reads the state again. Default: none, the state is lost
// with the server.
//
// One server at a time uses a directory, a second one is refused. [WithMessagesRequiredToSave] and the
// options beside it define when confirmed messages are written. Damaged bytes cost the messages that
// they belong to, and no others. The server moves files that it can't use (damaged and foreign files,
// and symbolic links) to the directory set-aside within, and says so in the log.
func WithDirectory(dir string) Option { return func(o *options) { o.dir = dir } }

// WithMessagesRequiredToSave sets how many unsaved messages of a partition make the server write
// them to its directory. With 1 each message is written before it is confirmed and can be polled,
// so that confirmed messages survive kill -9. With more, a crash loses those that were not written,
// at most this number in each partition. Default: 1024. It is
// system.partition.messages_required_to_save of the real server.
func WithMessagesRequiredToSave(n int) Option {
	return func(o *options) { o.save.messages = uint64(max(n, 1)) }
}

// WithSizeOfMessagesRequiredToSave sets how many unsaved bytes of a partition make the server write
// them to its directory. Default: 1 MiB. It is
// system.partition.size_of_messages_required_to_save of the real server.
func WithSizeOfMessagesRequiredToSave(bytes int64) Option {
	return func(o *options) { o.save.bytes = uint64(max(bytes, 0)) }
}

// WithEnforceFsync says whether a write reaches the disk before it is confirmed, so that it also
// survives a crash of the machine. It applies to messages and to what exists (streams, topics,
// groups, users), and not to stored offsets: without the last of them, messages are delivered again.
// Default: false. It is system.partition.enforce_fsync of the real server.
func WithEnforceFsync(on bool) Option { return func(o *options) { o.save.fsync = on } }

// WithSaveInterval sets how often unsaved messages are written to the disk, however few there are.
// Default: 30 s. 0 means never. It is message_saver.interval of the real server.
func WithSaveInterval(d time.Duration) Option { return func(o *options) { o.save.interval = d } }

// WithLoginTimeout sets how long a connection may stay without a login before it is closed. Default:
// 30 s. 0 means no limit, as on the real server. Until the login, a request has at most 8 KiB, and
// of more than 1,024 connections without a login the oldest is closed.
func WithLoginTimeout(d time.Duration) Option { return func(o *options) { o.loginTimeout = d } }

// WithTLS makes the server speak TLS. The configuration needs a certificate; [SelfSigned] makes
// one. Default: nil, plain TCP.
func WithTLS(config *tls.Config) Option { return func(o *options) { o.tls = config } }

// WithHandoverTimeout sets how long a partition that moves to a joining member waits for its owner
// to commit what it has polled. After that it moves without the commit, at most an eighth of the
// time later. Default: 30 s. The real server checks every 5 s, so there it takes up to 35 s.
func WithHandoverTimeout(d time.Duration) Option { return func(o *options) { o.handoverTimeout = d } }

// WithWriteTimeout sets how long a client may read nothing of an answer before its connection is
// closed. Default: 1 min. 0 means no limit, as on the real server.
func WithWriteTimeout(d time.Duration) Option { return func(o *options) { o.writeTimeout = d } }

// WithRetention bounds the bytes of messages, with their headers, that each partition holds. The
// oldest are removed when more arrive, but never the last batch. Default: [DefaultRetention]. A
// negative number means no bound, as with the default configuration of the real server.
func WithRetention(bytes int64) Option { return func(o *options) { o.retention = bytes } }

// WithCluster makes the server a node of a cluster, as far as Iggy 0.8.0 has them: it tells clients
// which nodes there are and which one is the leader. Nothing is replicated, and a follower carries
// out every request itself. The function is called for each such question, so the leader may
// change. Default: nil, a single node.
func WithCluster(metadata func() Cluster) Option { return func(o *options) { o.cluster = metadata } }

// WithClock sets the clock of timestamps. Default: [time.Now]. Timers do not use it.
func WithClock(now func() time.Time) Option { return func(o *options) { o.clock = now } }

// WithConnectionMigration says what the first send of a connection to an explicit partition does to
// the connection. The real server moves the connection to the shard of the partition (on a machine
// with n cores in n-1 of n cases) and forgets the client's user and groups: the connection stays a
// member, but when it ends, its partitions stay with it until another client joins. With true, the
// default, this happens always, which reveals programs that send on the connection of a group
// member. With false it never happens.
func WithConnectionMigration(on bool) Option { return func(o *options) { o.migration = on } }

// WithPurgeSavedOnly says whether PurgeTopic and PurgeStream keep the messages that are not saved,
// as the real server does with default settings. A partition saves its messages when 1,024 of them,
// or 1 MiB, are not saved ([WithMessagesRequiredToSave]), and on FlushUnsavedBuffer. Messages that
// survive a purge keep their offsets, while new messages are numbered from 0: a poll then returns old
// messages, and of the new ones only those after them. Default: false, a purge deletes everything.
//
// The next save ends this. From then on polls return only new messages, where the real server
// answers most polls with [StatusInvalidOffset].
func WithPurgeSavedOnly(on bool) Option { return func(o *options) { o.purgeSavedOnly = on } }
