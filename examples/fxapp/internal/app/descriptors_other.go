//go:build !unix

package app

import "math"

// descriptors returns how many file descriptors the process may have.
func descriptors() int { return math.MaxInt32 }
