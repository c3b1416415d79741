package wire

import "encoding/binary"

// FrameHeaderSize is the size of what precedes the body of every request.
const FrameHeaderSize = 8

// BeginFrame appends the head of a request with the command's code; the body is appended after it
// and EndFrame completes it.
//
//	length of code and body u32 | code u32 | body
func BeginFrame(dst []byte, code uint32) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	return binary.LittleEndian.AppendUint32(dst, code)
}

// EndFrame sets the length of the frame that starts at b[0]. following is the number of bytes of
// the body that are written after b.
func EndFrame(b []byte, following int) {
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4+following))
}
