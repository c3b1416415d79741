//go:build race

package native

// overwriteReleased makes a body pool overwrite memory at its release, and pool memory of any size.
// So tests under the race detector notice a use of released memory.
const overwriteReleased = true
