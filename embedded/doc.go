// Package embedded is an Iggy server inside this process: it speaks the TCP protocol of Apache Iggy 0.8.0 on a real
// loopback socket, so that the official SDKs (and anything else that speaks the protocol) work against it unchanged.
// It is made for development, demonstrations and tests, not for production: it has one node, no QUIC, HTTP or
// WebSocket, and it keeps its log in memory unless it is given a directory.
//
//	srv, err := embedded.Start(embedded.WithRetention(64 << 20))
//	if err != nil {
//		return err
//	}
//	defer srv.Stop(context.Background())
//	client, err := iggcli.NewIggyClient(iggcli.WithTcp(tcp.WithServerAddress(srv.Endpoint())))
//
// What it answers was measured on, and is compared with, the real server: recorded exchanges are replayed and must be
// answered byte for byte, and the same scripts run against both where a real one is at hand. Where the two are known to
// differ, the difference stands at the code that makes it.
//
// # Where it differs
//
// What is known to differ from the real server, apart from timing and what is said above:
//
//   - A connection whose client leaves an answer unread for a minute is closed ([WithWriteTimeout]).
//   - A frame of more than 10 MiB that is no send, or a send of more than 1 GiB, ends the connection after its status; a
//     send whose lengths promise more than its frame has is refused at once. The real server goes on, or waits.
//   - A partition keeps its last 256 MiB ([WithRetention]) and has one segment, which is never deleted.
//   - Purging deletes everything. The real server keeps what it has not written to its disk yet.
//   - A send by key to a topic without partitions is refused. It ends the real server, with all its connections.
//   - Of its statistics those of the machine are few, and a snapshot says only what it would hold.
//
// # Faults
//
// Package iggytest injects faults between a client and this server. [Server.Crash], [Server.Rebalance],
// [Server.RemoveMember] and [Server.DeleteGroup] do what no client can ask for. [Server.Messages],
// [Server.StoredOffset], [Server.GroupMembers] and [Server.Connections] show the state of the server.
//
// # Protocol
//
// A request is `[u32 length = 4 + body][u32 command][body]`, an answer `[u32 status][u32 length][body]`, little endian.
// A status other than 0 has no body. The requests of a connection are answered in their order and may be pipelined.
// The layout of each body stands at its decoder or encoder, in one file for each family of commands.
package embedded
