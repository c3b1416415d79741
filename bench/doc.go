// Command bench compares the library with the official Go SDK and with the throughput of the
// server, in one run, and prints one table:
//
//	go run ./bench [-json] [-quick] [-only send,waiting]
//
// IGGY_TEST_ENDPOINT (iggy://user:password@host:port) names the server. Without it, an embedded
// server is started in a process of its own, so that its CPU time does not count. The contenders
// run in alternating rounds, each on a new topic. The results are medians: of the ratios within a
// round for comparisons, of the rounds for everything else.
//
// With -json it prints one object with the names of the first column as keys. The exit code is 1
// when something could not be measured, not when a goal is missed.
package main
