package native

import "sync"

// Answers to polls are read into pooled memory. To clear and collect fresh memory of this size
// costs as much as reading the answer (measured: a third of a consumer's CPU time with messages of
// 512 bytes).

// Bodies are pooled by size, in steps of bodyStep bytes: an answer takes at most that much more
// than it needs. Bodies below minBody and above maxTrustedLength are not pooled.
const (
	bodyStep = 16 << 10
	minBody  = 64 << 10
)

// pooledBody is pooled memory for one answer. Its length is a multiple of bodyStep.
type pooledBody struct{ bytes []byte }

var bodyPools [maxTrustedLength / bodyStep]sync.Pool

// getBody returns memory for size bytes, with any content. It returns nil when memory of that size
// is not pooled.
func getBody(size uint64) *pooledBody {
	if size == 0 || size < minBody && !overwriteReleased || size > maxTrustedLength {
		return nil
	}
	class := (size - 1) / bodyStep
	if b, ok := bodyPools[class].Get().(*pooledBody); ok {
		return b
	}
	return &pooledBody{make([]byte, (class+1)*bodyStep)}
}

// release returns the memory to the pool. Nothing may refer to it any more.
func (b *pooledBody) release() {
	if overwriteReleased {
		for i := range b.bytes {
			b.bytes[i] = 0xdb
		}
	}
	bodyPools[len(b.bytes)/bodyStep-1].Put(b)
}
