// Package embedded is an Iggy server in this process. It speaks the TCP protocol of Apache Iggy
// 0.8.0 on a loopback socket, so the official SDKs, and everything else that speaks the protocol,
// work against it unchanged. It is made for development, demonstrations and tests, not for
// production: it replicates nothing and has no QUIC, HTTP or WebSocket, and it keeps messages in
// memory unless it is given a directory ([WithDirectory]).
//
//	srv, err := embedded.Start(embedded.WithRetention(64 << 20))
//	if err != nil {
//		return err
//	}
//	defer srv.Stop(context.Background())
//	client, err := iggcli.NewIggyClient(iggcli.WithTcp(tcp.WithServerAddress(srv.Address())))
//
// Its answers are compared with those of the real server. Recorded exchanges are replayed and must
// be answered byte for byte, and the same scripts run against both servers where a real one is
// available.
//
// # Differences from the real server
//
// Apart from timing and from what is missing, these differences are known:
//
//   - A connection whose client reads nothing of an answer for a minute is closed
//     ([WithWriteTimeout]), and so is one without a login for 30 s ([WithLoginTimeout]).
//   - Until the login a frame of more than 8 KiB is refused, and of more than 1,024 connections
//     without a login the oldest is closed.
//   - A frame of more than 10 MiB that is no send, or a send of more than 1 GiB, is answered with a
//     status, and then the connection is closed. A send whose lengths exceed its frame is refused
//     at once. The real server continues, or waits for more.
//   - With [WithMessagesRequiredToSave] of 1, a message can't be polled before it is written, a poll
//     by offset is never refused after kill -9, and a send that could not be written leaves nothing.
//   - Damaged bytes in the directory cost the messages that they belong to. The real server does not
//     validate checksums by default.
//   - A partition keeps its last 256 MiB ([WithRetention]). It has one segment, which is never
//     deleted.
//   - Purging deletes everything. The real server keeps what it has not written to its disk yet
//     ([WithPurgeSavedOnly]).
//   - A send by key to a topic without partitions is refused. The real server exits.
//   - A client of Iggy 0.9 or later, which speaks another protocol, is named in the log and its
//     connection closed. The real server answers each 8 bytes of its requests with a status.
//   - Few statistics of the machine are filled in, and the parts of a snapshot have only their
//     names.
//
// # Faults
//
// Package iggytest injects faults between a client and this server. [Server.Crash],
// [Server.Rebalance], [Server.RemoveMember] and [Server.DeleteGroup] do what no client can ask for.
// [Server.Messages], [Server.StoredOffset], [Server.GroupMembers] and [Server.Connections] show the
// state of the server.
//
// # Protocol
//
// A request is `[u32 length = 4 + body][u32 command][body]`, an answer `[u32 status][u32 length]
// [body]`, little endian. A status other than 0 has no body. The requests of a connection are
// answered in order and may be pipelined. The layout of each body is described at its decoder or
// encoder, in one file for each family of commands. The file command_table.go lists them all.
package embedded
