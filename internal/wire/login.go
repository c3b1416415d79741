package wire

import "encoding/binary"

// Codes of the commands that log in.
const (
	CodeLogin      uint32 = 38
	CodeTokenLogin uint32 = 44
)

// clientVersion is the version that the official SDK sends when it logs in. Source: recorded logins
// to the server 0.8.0.
const clientVersion = "0.8.0"

// AppendLogin appends the body of a login by name and password: name and password each as length u8
// and bytes, then the client's version and an empty context, each as length u32 and bytes. Neither
// may exceed 255 bytes.
func AppendLogin(dst []byte, username, password string) []byte {
	dst = appendShortString(dst, username)
	dst = appendShortString(dst, password)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(clientVersion)))
	dst = append(dst, clientVersion...)
	return binary.LittleEndian.AppendUint32(dst, 0)
}

// AppendTokenLogin appends the body of a login by personal access token, which may not exceed 255
// bytes.
func AppendTokenLogin(dst []byte, token string) []byte { return appendShortString(dst, token) }

func appendShortString(dst []byte, s string) []byte {
	dst = append(dst, byte(len(s)))
	return append(dst, s...)
}
