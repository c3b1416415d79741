// Package watch notices that messages were appended to topics.
//
// Iggy has no long polling: whoever has read a topic to its end has to look at the ends of its logs
// again and again. The readers of one topic on one server share these looks, whatever their groups:
// one request, over the connection of one of them, serves all that wait. The pace says when the next
// look is due. It learns from the pauses between messages.
package watch
