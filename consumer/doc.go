// Package consumer reads the messages of a topic and finishes what it takes:
// every message is delivered at least once, acknowledged offsets are committed
// as a contiguous prefix of their partition, and a message that can't be handled
// ends in the dead letters before its offset is passed.
//
// A message goes this way, a file for each word:
//
//	assignment   learns which partitions this member of the group owns
//	fetcher      reads each of them ahead of its commits
//	window       bounds the messages that are with the application
//	lane         keeps messages of one key in order, one at a time
//	handler      the application's function, or Next and Messages instead
//	retry        delivers a failed message again, in place
//	quarantine   writes what was given up to the dead letters
//	tracker      finds the acknowledged prefix
//	commit       stores it
//
// handover and balance are about partitions that go to another member,
// rewind and gap about logs that are not what they were. Everything but
// Consumer, Message and the decoding is not generic and works on raw messages.
package consumer
