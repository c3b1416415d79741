//go:build !race

package native

// overwriteReleased is for tests under the race detector.
const overwriteReleased = false
