//go:build race

package native

// overwriteReleased makes body pools overwrite memory at its release, and pool memory of any size.
// So tests under the race detector notice a use of released memory.
const overwriteReleased = true
