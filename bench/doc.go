// Command bench measures the library beside the official Go SDK and beside what
// the server itself can take, in one run, and prints one table:
//
//	go run ./bench [-json] [-quick] [-only send,waiting]
//
// The server is the one that IGGY_TEST_ENDPOINT (iggy://user:password@host:port)
// names; without it an embedded one is started in a process of its own, so that
// its CPU time is not the client's. The contenders take turns in alternating rounds,
// each round on new topics, and what is reported is the median: of the paired ratios for
// comparisons, of the rounds for everything else.
//
// With -json it prints one object whose keys are the names of the table's first column.
// The exit code is 1 when something could not be measured, not when a goal is missed.
package main
