package transport

// Supersede leaves out messages whose offsets were given to others later in
// the same answer. offset tells a message's; the slice is used again.
//
// A server that is killed between its two writes leaves messages in a log which its
// index does not know. It gives their offsets to the next ones, and an answer
// brings both, though its count has the indexed ones only (measured on Iggy 0.8.0,
// reading by time; by offset it refuses such an answer with status 4100).
func Supersede[M any](messages []M, offset func(*M) uint64) []M {
	kept := messages[:0]
	for i := range messages {
		for len(kept) > 0 && offset(&kept[len(kept)-1]) >= offset(&messages[i]) {
			kept = kept[:len(kept)-1]
		}
		kept = append(kept, messages[i])
	}
	return kept
}
