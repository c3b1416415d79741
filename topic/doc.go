// Package topic describes topics: the type of their messages, the stream and name, how messages are
// encoded and keyed, and the settings with which the topic is created. Producers, consumers and the
// administration get all of this from one Topic value.
package topic
