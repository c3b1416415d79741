package transport

// DropSuperseded removes messages whose offsets the same answer gives to later messages. offset
// returns a message's offset. The result reuses the slice.
//
// A server that is killed between its two writes leaves messages in a log that its index does not
// know. It gives their offsets to the next messages. An answer then contains both, though its count
// includes the indexed ones only (measured on Iggy 0.8.0, reading by time; when reading by offset,
// the server refuses with status 4100).
func DropSuperseded[M any](messages []M, offset func(*M) uint64) []M {
	kept := messages[:0]
	for i := range messages {
		for len(kept) > 0 && offset(&kept[len(kept)-1]) >= offset(&messages[i]) {
			kept = kept[:len(kept)-1]
		}
		kept = append(kept, messages[i])
	}
	return kept
}
