// Command bench compares the library with the official Go SDK and with the throughput of the
// server, and prints Markdown tables:
//
//	go run ./bench [-group defaults|tuned|growth] [-only regexp] [-runs n] [-quick] [-json file]
//
// The rows are in three groups. In defaults, nothing is set but the group of the consumer. In tuned,
// each row names the settings that differ. In growth, the workload differs: partitions, payload,
// distance, topics, consumers, the limit of the buffer, the backlog.
//
// IGGY_TEST_ENDPOINT (iggy://user:password@host:port) names the server. Without it, an embedded
// server is started in a process of its own, so that its CPU time does not count.
//
// The contenders of a row work in alternating rounds: the library; a loop with the SDK over one
// connection, which sends or polls a batch, waits for the answer and goes on; and prepared frames,
// which are requests that are encoded beforehand. A ratio of rates or of CPU time is the median of the
// ratios within a round. Ratios to the codec, to a limit and of percentiles are of two values of the
// row. Everything else is the median of the rounds. CPU time, allocations and memory are those of
// this process.
//
// With -runs, everything is measured several times, and a cell has the best value and the median. The
// goals are compared with the median. With -compare and two files of -json, it prints the ratios that
// differ by more than 20 %. The exit code is 1 when something could not be measured, not
// when a goal is missed. docs/performance.md says how to read the tables.
package main
