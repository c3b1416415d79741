package wire

// The errors of decoding.
var (
	ErrHeaders   = errHeaders
	ErrTruncated = errTruncated
)

// IndexEntrySize is the size of a message's entry in the index of a batch, in bytes.
const IndexEntrySize = 16

// DecodeMessage decodes the first message of b.
func DecodeMessage(b []byte) (m Message, n int, err error) {
	n, err = m.Decode(b)
	return m, n, err
}

// Prefetch is prefetch.
func Prefetch(b []byte) { prefetch(b) }
