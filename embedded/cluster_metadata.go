package embedded

import "encoding/binary"

// getClusterMetadata answers `[u32 length][cluster name][u32 nodes]` and for each node
// `[u32 length][name][u32 length][ip][u16 tcp port][u16 quic port][u16 http port]
// [u16 websocket port][u8 role][u8 status]`. There is one node, the leader (role 0) and healthy
// (status 0). Ports on which it does not listen are 0.
func (c *conn) getClusterMetadata(none) Status {
	c.out = appendText(c.out, "single-node")
	c.out = binary.LittleEndian.AppendUint32(c.out, 1)
	c.out = appendText(c.out, "iggy-node")
	c.out = appendText(c.out, c.server.host)
	c.out = binary.LittleEndian.AppendUint16(c.out, c.server.port)
	c.out = append(c.out, 0, 0, 0, 0, 0, 0)
	c.out = append(c.out, 0, 0)
	return StatusOK
}
