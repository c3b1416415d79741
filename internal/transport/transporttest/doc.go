// Package transporttest is the conformance suite of transports: what every implementation of
// transport.Conn must do with a server and with misbehaving peers. Both transports run it, on the
// embedded server always and on a real one when IGGY_TEST_ENDPOINT names it.
package transporttest
