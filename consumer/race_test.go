//go:build race

package consumer_test

// raceDetector tells that the race detector is on, and so that released memory of polls is overwritten.
const raceDetector = true
